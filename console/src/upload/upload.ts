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

export interface UploadItem {
  /** The path below the upload's prefix. */
  path: string;
  file: Blob;
  label: 'normal' | 'anomaly' | null;
}

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
  /** Adds pictures to the dataset; resolves when the dataset holds them. */
  add(pictures: { key: string; label: UploadItem['label'] }[]): Promise<void>;
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
      const item = this.waiting.shift();
      if (!item || this.aborted.signal.aborted) return;
      try {
        this.toAdd.push({ key: await this.send(item), label: item.label });
        this.progress.sent++;
        this.progress.bytesSent += item.file.size;
      } catch (error) {
        if (this.aborted.signal.aborted) return;
        this.progress.failures.push({ item, reason: sentenceOf(error) });
      }
      this.tell();
      if (this.toAdd.length >= kLinesAtOnce) await this.add(kLinesAtOnce);
    }
  }

  /** Sends one picture unless the bucket has it, and returns its key. */
  private async send(item: UploadItem): Promise<string> {
    if (item.file.size > kMostBytes) throw new Error('The file is larger than 8 MiB, which is the most that the service takes.');
    const bytes = new Uint8Array(await item.file.arrayBuffer());
    const type = pictureType(bytes);
    if (!type) throw new Error('This is neither a PNG nor a JPEG file.');
    let key = this.prefix + item.path;
    let hash: string | undefined;
    // A file of the same name with other content is another picture: both are kept.
    for (let copy = 2; ; copy++) {
      const there = this.present.get(key);
      if (!there) break;
      hash ??= hex(md5(bytes));
      if (there.size === bytes.length && there.etag === hash) {
        this.progress.alreadyThere++;
        return key;
      }
      key = this.prefix + item.path.replace(/(\.[^./]*)?$/, (extension) => `-${copy}${extension}`);
    }
    this.present.set(key, { size: bytes.length, etag: hash ?? '' });
    for (let attempt = 1; ; attempt++) {
      try {
        await this.target.put(key, bytes, type, this.aborted.signal);
        return key;
      } catch (error) {
        // A refusal stays one; a network that was gone for a moment does not.
        const status = (error as { status?: number }).status;
        if (attempt === 3 || this.aborted.signal.aborted || (status !== undefined && status !== 0 && status !== 429 && status < 500)) throw error;
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
