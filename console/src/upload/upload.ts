// Sends pictures to a bucket and adds them to a dataset. An upload can be paused, and can be begun again at any time: what the
// bucket already holds is not sent again.
import { md5 } from '@noble/hashes/legacy';
import { sentenceOf } from '../api/errors.ts';
import { pictureType } from './folders.ts';

export const kMostBytes = 8 * 1024 * 1024;
/** Browsers open six connections to a server that speaks HTTP/1.1. */
const kAtOnce = 6;
/** So many pictures are added to the dataset by one call. */
const kLinesAtOnce = 2000;

/** Pictures of fewer bytes travel together: as many as these in one call, of so many bytes. A call of its own for each takes longer. */
const kSmallBytes = 256 * 1024;
const kPackPictures = 64;
const kPackBytes = 4 * 1024 * 1024;

export interface UploadItem {
  /** The path below the upload's prefix. */
  path: string;
  file: Blob;
  label: 'normal' | 'anomaly' | null;
}

/** Which files an upload takes. */
export interface UploadRules {
  mostBytes: number;
  /** The content type of a file, or null if it is none that the upload takes. */
  typeOf(bytes: Uint8Array): string | null;
  /** Why a file that is too large, or of no type, is left out. */
  tooLarge: string;
  wrongType: string;
}

export const kPictureRules: UploadRules = {
  mostBytes: kMostBytes,
  typeOf: pictureType,
  tooLarge: 'The file is larger than 8 MiB, which is the most that the service takes.',
  wrongType: 'This is neither a PNG nor a JPEG file.',
};

/** What another tool exported: pictures, and files of any kind that describe them. */
export const kExportRules: UploadRules = {
  mostBytes: 64 * 1024 * 1024,
  typeOf: (bytes) => pictureType(bytes) ?? 'application/octet-stream',
  tooLarge: 'The file is larger than 64 MiB, which is the most that an import takes.',
  wrongType: '',
};

export interface UploadFailure {
  item: UploadItem;
  reason: string;
}

export interface UploadProgress {
  phase: 'starting' | 'sending' | 'paused' | 'adding' | 'finished' | 'stopped';
  total: number;
  /** Pictures that are in the bucket, with those that were there before. */
  sent: number;
  alreadyThere: number;
  bytesSent: number;
  bytesTotal: number;
  /** Pictures that the dataset holds. */
  added: number;
  failures: UploadFailure[];
  /** Why the upload stopped before its end. */
  problem?: string;
}

/** What an upload needs of the outside. */
export interface UploadTarget {
  /** What lies below the prefix: for each key its size and the hash of its content. */
  list(): Promise<Map<string, { size: number; etag: string }>>;
  put(key: string, body: Uint8Array, contentType: string, signal: AbortSignal): Promise<void>;
  /** Puts several pictures at once: all of them, or none. Their types are told from their names. */
  putPack(files: { key: string; body: Uint8Array }[], signal: AbortSignal): Promise<void>;
  /** Adds pictures to the dataset; resolves when the dataset holds them. */
  add(pictures: { key: string; label: UploadItem['label'] }[]): Promise<void>;
}

/** A picture that was read and is to be sent. */
interface Prepared {
  item: UploadItem;
  key: string;
  bytes: Uint8Array;
  type: string;
  fitsPack: boolean;
}

/** Whether a call would fail again in the same way. */
function isRefusal(error: unknown): boolean {
  const status = (error as { status?: number }).status;
  return status !== undefined && status !== 0 && status !== 429 && status < 500;
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export class Upload {
  readonly progress: UploadProgress;
  private readonly waiting: UploadItem[];
  private toAdd: { key: string; label: UploadItem['label'] }[] = [];
  private present = new Map<string, { size: number; etag: string }>();
  private readonly aborted = new AbortController();
  private resumeWaiting: (() => void)[] = [];
  private paused = false;

  constructor(
    items: UploadItem[],
    private readonly prefix: string,
    private readonly target: UploadTarget,
    private readonly onProgress: (progress: UploadProgress) => void,
    private readonly rules: UploadRules = kPictureRules,
  ) {
    this.waiting = [...items];
    const bytesTotal = items.reduce((sum, item) => sum + item.file.size, 0);
    this.progress = { phase: 'starting', total: items.length, sent: 0, alreadyThere: 0, bytesSent: 0, bytesTotal, added: 0, failures: [] };
  }

  /** Sends everything that waits. Resolves at the end, also when it was stopped; never rejects. */
  async run(): Promise<void> {
    try {
      this.present = await this.target.list();
      this.tell('sending');
      await Promise.all(Array.from({ length: kAtOnce }, () => this.work()));
      await this.add(0);
      if (!this.aborted.signal.aborted) this.tell('finished');
    } catch (error) {
      this.progress.problem = sentenceOf(error);
      this.aborted.abort();
      this.tell('stopped');
    }
  }

  pause() {
    this.paused = true;
    this.tell('paused');
  }

  resume() {
    this.paused = false;
    this.tell('sending');
    for (const go of this.resumeWaiting.splice(0)) go();
  }

  stop() {
    this.aborted.abort();
    this.resume();
    this.tell('stopped');
  }

  /** A new upload of what failed in this one. */
  get failed(): UploadItem[] {
    return this.progress.failures.map(({ item }) => item);
  }

  private tell(phase: UploadProgress['phase'] = this.progress.phase) {
    this.progress.phase = phase;
    this.onProgress({ ...this.progress, failures: [...this.progress.failures] });
  }

  private async work(): Promise<void> {
    for (;;) {
      if (this.paused) await new Promise<void>((resolve) => this.resumeWaiting.push(resolve));
      if (!this.waiting.length || this.aborted.signal.aborted) return;
      const pack: Prepared[] = [];
      for (let size = 0; pack.length < kPackPictures && size < kPackBytes && this.waiting.length && !this.aborted.signal.aborted; ) {
        const item = this.waiting.shift()!;
        const prepared = await this.attempt(item, () => this.prepare(item));
        if (!prepared) continue;
        if (prepared.fitsPack) {
          pack.push(prepared);
          size += prepared.bytes.length;
        } else await this.sendAlone(prepared);
      }
      if (pack.length) await this.sendPack(pack);
      this.tell();
      if (this.toAdd.length >= kLinesAtOnce) await this.add(kLinesAtOnce);
    }
  }

  /** Runs a step for a picture. If it fails, the picture is one of the failures and the result is undefined. */
  private async attempt<T>(item: UploadItem, step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      if (!this.aborted.signal.aborted) this.progress.failures.push({ item, reason: sentenceOf(error) });
      return undefined;
    }
  }

  private isSent({ item, key }: Pick<Prepared, 'item' | 'key'>) {
    this.toAdd.push({ key, label: item.label });
    this.progress.sent++;
    this.progress.bytesSent += item.file.size;
  }

  /** Reads a picture and finds its key. Returns null if the bucket has it already. */
  private async prepare(item: UploadItem): Promise<Prepared | null> {
    if (item.file.size > this.rules.mostBytes) throw new Error(this.rules.tooLarge);
    const bytes = new Uint8Array(await item.file.arrayBuffer());
    const type = this.rules.typeOf(bytes);
    if (!type) throw new Error(this.rules.wrongType);
    let key = this.prefix + item.path;
    let hash: string | undefined;
    // A file of the same name with other content is another picture: both are kept.
    for (let copy = 2; ; copy++) {
      const there = this.present.get(key);
      if (!there) break;
      hash ??= hex(md5(bytes));
      if (there.size === bytes.length && there.etag === hash) {
        this.progress.alreadyThere++;
        this.isSent({ item, key });
        return null;
      }
      key = this.prefix + item.path.replace(/(\.[^./]*)?$/, (extension) => `-${copy}${extension}`);
    }
    this.present.set(key, { size: bytes.length, etag: hash ?? '' });
    // The server tells the type of a packed picture from its name.
    const named = type === 'image/png' ? /\.png$/i : type === 'image/jpeg' ? /\.jpe?g$/i : /(?<!\.png|\.jpe?g)$/i;
    const fitsPack = bytes.length < kSmallBytes && named.test(key);
    return { item, key, bytes, type, fitsPack };
  }

  private async sendAlone(prepared: Prepared): Promise<void> {
    const { item, key, bytes, type } = prepared;
    await this.attempt(item, async () => {
      await this.insistently(() => this.target.put(key, bytes, type, this.aborted.signal));
      this.isSent(prepared);
    });
  }

  /** Sends small pictures in one call. If the server refuses it, each is sent alone, so that the one at fault is found. */
  private async sendPack(pack: Prepared[]): Promise<void> {
    try {
      await this.insistently(() => this.target.putPack(pack.map(({ key, bytes }) => ({ key, body: bytes })), this.aborted.signal));
      pack.forEach((prepared) => this.isSent(prepared));
    } catch (error) {
      if (this.aborted.signal.aborted) return;
      if (isRefusal(error)) for (const prepared of pack) await this.sendAlone(prepared);
      else this.progress.failures.push(...pack.map(({ item }) => ({ item, reason: sentenceOf(error) })));
    }
  }

  /** Makes a call again if it fails, but not if it is refused: a network that was gone for a moment comes back. */
  private async insistently(call: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await call();
        return;
      } catch (error) {
        if (attempt === 3 || this.aborted.signal.aborted || isRefusal(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, attempt * 1000));
      }
    }
  }

  private adding: Promise<void> = Promise.resolve();

  /** Adds what was sent to the dataset, if it is at least `least` pictures: one call after the other. */
  private add(least: number): Promise<void> {
    this.adding = this.adding.then(async () => {
      if (this.toAdd.length === 0 || this.toAdd.length < least) return;
      // Pictures arrive in any order; the dataset gets them in that of their names.
      const batch = this.toAdd.splice(0).sort((a, b) => (a.key < b.key ? -1 : 1));
      if (this.waiting.length === 0 && least === 0) this.tell('adding');
      await this.target.add(batch);
      this.progress.added += batch.length;
      this.tell();
    });
    return this.adding;
  }
}
