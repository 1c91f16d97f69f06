// Unsaved masks, kept in the browser's database so that a killed tab loses at most two seconds of work.
import type { Label } from '../labels/colours.ts';
import { openDatabase } from '../session/storage.ts';
import type { Editor } from './editor.ts';
import type { PictureThread } from './picture_thread.ts';

/** A change is written down at most this long after it was made, and the time that packing takes. */
const kDelay = 1000;
const kOldestDays = 30;

export interface Draft {
  /** Milliseconds since 1970. */
  at: number;
  width: number;
  height: number;
  /** The label of each number, from 1 on. */
  labels: Label[];
  /** The plane, as a zlib stream. */
  packed: Uint8Array<ArrayBuffer>;
}

/** The drafts of other modules have other first parts. */
const kKind = 'masks';
const kAll = () => IDBKeyRange.bound([kKind], [kKind, []]);

export type DraftKey = [kind: typeof kKind, scope: string, sourceRef: string];

/** `scope` says whose drafts of which dataset these are. */
export const draftKey = (scope: string, sourceRef: string): DraftKey => [kKind, scope, sourceRef];

export async function readDraft(key: DraftKey): Promise<Draft | undefined> {
  return (await (await openDatabase()).get('drafts', key)) as Draft | undefined;
}

export async function removeDraft(key: DraftKey): Promise<void> {
  await (await openDatabase()).delete('drafts', key);
}

/** Forgets drafts that nobody came back to. */
export async function removeOldDrafts(now = Date.now()): Promise<void> {
  const db = await openDatabase();
  for (const key of await db.getAllKeys('drafts', kAll())) {
    const draft = (await db.get('drafts', key)) as Partial<Draft> | undefined;
    if (!(typeof draft?.at === 'number' && draft.at > now - kOldestDays * 86_400_000)) await db.delete('drafts', key);
  }
}

/** The plane of a draft, or null if it does not fit the picture. */
export async function unpackDraft(draft: Draft, thread: PictureThread, width: number, height: number): Promise<Uint8Array<ArrayBuffer> | null> {
  if (draft.width !== width || draft.height !== height) return null;
  const data = await thread.call('inflate', [draft.packed, width * height]);
  return data.length === width * height ? data : null;
}

/** Writes down the changes of an editor while it is open. */
export class DraftKeeper {
  private timer: number | undefined;
  private writing: Promise<void> = Promise.resolve();
  private kept: number;
  private readonly stop: () => void;
  /** Called when the browser refuses to keep a draft. */
  onFailure: (error: unknown) => void = () => {};

  constructor(
    private readonly key: DraftKey,
    readonly editor: Editor,
    private readonly thread: PictureThread,
    private readonly labels: () => Label[],
  ) {
    this.kept = editor.state.revision;
    const unsubscribe = editor.subscribe(() => {
      if (editor.state.revision !== this.kept) this.timer ??= window.setTimeout(() => void this.write(), kDelay);
    });
    const onHide = () => {
      if (document.visibilityState === 'hidden') void this.write();
    };
    document.addEventListener('visibilitychange', onHide);
    this.stop = () => {
      unsubscribe();
      document.removeEventListener('visibilitychange', onHide);
    };
  }

  private write(): Promise<void> {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(async () => {
      const { plane, state } = this.editor;
      if (state.revision === this.kept) return;
      const revision = state.revision;
      try {
        const copy = plane.data.slice();
        const packed = await this.thread.call('deflate', [copy], [copy.buffer]);
        const draft: Draft = { at: Date.now(), width: plane.width, height: plane.height, labels: this.labels(), packed };
        await (await openDatabase()).put('drafts', draft, this.key);
        this.kept = revision;
      } catch (error) {
        this.onFailure(error);
      }
    });
    return this.writing;
  }

  /** The mask was saved: the draft goes, unless the mask was changed since `revision`. */
  async saved(revision: number): Promise<void> {
    await this.writing;
    if (this.editor.state.revision !== revision) return;
    this.kept = revision;
    window.clearTimeout(this.timer);
    this.timer = undefined;
    await removeDraft(this.key);
  }

  /** Writes what is not written yet, and stops. */
  async close(): Promise<void> {
    this.stop();
    await this.write();
  }
}
