// Unsaved masks, kept in the browser's database so that a killed tab loses at most two seconds of work.
import type { Label } from '../labels/colours.ts';
import type { EntryClass } from '../labels/lines.ts';
import { openDatabase } from '../session/storage.ts';
import type { Editor } from './editor.ts';
import type { PictureThread } from './picture_thread.ts';

/** A change is written down at most this long after it was made, and the time that packing takes. */
const kDelay = 1000;
const kOldestDays = 30;

export interface Draft {
  /** When what it holds was changed last; milliseconds since 1970. */
  at: number;
  /** The class that was chosen for the picture. */
  class: EntryClass | null;
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

async function writeDraft(key: DraftKey, draft: Draft): Promise<void> {
  await (await openDatabase()).put('drafts', draft, key);
}

/** Removes a draft, unless it holds a change that is later than `at`. One transaction looks and removes. */
async function removeDraft(key: DraftKey, at: number): Promise<void> {
  const { store, done } = (await openDatabase()).transaction('drafts', 'readwrite');
  const draft = (await store.get(key)) as Draft | undefined;
  await Promise.all([draft && draft.at <= at && store.delete(key), done]);
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

/** Writes down the changes of an editor, and of the class that the person chooses beside it, while it is open. */
export class DraftKeeper {
  private timer: number | undefined;
  private writing: Promise<void> = Promise.resolve();
  private revision: number;
  /** When the mask or the class was changed last, or the editor opened. Each change has a later time than the one before. */
  private changed = Date.now();
  /** The time of the change up to which all is written down or saved. */
  private kept = this.changed;
  private readonly stop: () => void;
  /** Called when the browser refuses to keep a draft. */
  onFailure: (error: unknown) => void = () => {};

  constructor(
    private readonly key: DraftKey,
    readonly editor: Pick<Editor, 'state' | 'plane' | 'subscribe'>,
    private readonly thread: Pick<PictureThread, 'call'>,
    private readonly labels: () => Label[],
    private chosen: EntryClass | null,
    private readonly store = { write: writeDraft, remove: removeDraft },
  ) {
    this.revision = editor.state.revision;
    const unsubscribe = editor.subscribe(() => {
      if (editor.state.revision === this.revision) return;
      this.revision = editor.state.revision;
      this.note();
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

  /** The time of the last change, by which `saved` knows later what was saved. */
  get changedAt() {
    return this.changed;
  }

  /** Learns which class was chosen. */
  choose(chosen: EntryClass | null): void {
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    this.note();
  }

  private note() {
    this.changed = Math.max(Date.now(), this.changed + 1);
    this.timer ??= window.setTimeout(() => void this.write(), kDelay);
  }

  private write(): Promise<void> {
    window.clearTimeout(this.timer);
    this.timer = undefined;
    this.writing = this.writing.then(async () => {
      if (this.changed === this.kept) return;
      const { changed: at, chosen } = this;
      const { width, height, data } = this.editor.plane;
      try {
        const copy = data.slice();
        const packed = await this.thread.call('deflate', [copy], [copy.buffer]);
        await this.store.write(this.key, { at, class: chosen, width, height, labels: this.labels(), packed });
        this.kept = at;
      } catch (error) {
        this.onFailure(error);
      }
    });
    return this.writing;
  }

  /** All changes up to the time `at` were saved: the draft goes, unless it holds a later one, of this editor or of one that was opened since. */
  async saved(at: number): Promise<void> {
    await this.writing;
    if (this.changed === at) {
      this.kept = at;
      window.clearTimeout(this.timer);
      this.timer = undefined;
    }
    await this.store.remove(this.key, at);
  }

  /** Writes what is not written yet, and stops. */
  async close(): Promise<void> {
    this.stop();
    await this.write();
  }
}
