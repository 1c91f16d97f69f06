// Loads what the editor needs of a picture of a dataset: its entry, the picture itself, its mask, and a draft of it.
import type { Client } from '../api/client.ts';
import type { S3 } from '../api/s3.ts';
import { sentenceOf } from '../api/errors.ts';
import type { Label } from '../labels/colours.ts';
import type { Entry, EntryClass } from '../labels/lines.ts';
import { findDatasetEntry, type DatasetType } from '../labels/project_labels.ts';
import { PictureError } from '../pictures/decode.ts';
import { fetchObject } from '../pictures/load.ts';
import { readDraft, unpackDraft, type DraftKey } from './drafts.ts';
import type { PictureThread } from './picture_thread.ts';
import { Plane } from './plane.ts';
import { renumber } from './saving.ts';

/** One thread holds the picture; the other packs and unpacks masks, so that neither waits for the other. */
export interface Threads {
  picture: PictureThread;
  masks: PictureThread;
}

export interface OpenedPicture {
  sourceRef: string;
  entry: Entry;
  plane: Plane;
  /** The class of the draft, if there is one, else that of the entry. */
  chosen: EntryClass | null;
  /** When the draft was made that is shown; milliseconds since 1970. Null if there is none, or it differs in nothing from the entry. */
  draftAt: number | null;
  /** Why the mask that the dataset has is not shown; empty if it is, or if there is none. */
  maskProblem: string;
}

/** The labels of a picture's mask that the project's labels lack would be lost: they are joined before anything is drawn. */
export const missingLabels = (mask: readonly Label[], labels: readonly Label[]) => mask.filter(({ name }) => !labels.some((label) => label.name === name));

export async function readMaskOf(s3: S3, entry: Entry, labels: readonly Label[], thread: PictureThread, signal?: AbortSignal) {
  if (!entry.mask) return null;
  const bytes = await fetchObject(s3, entry.mask.maskRef, { signal });
  const mask = await thread.call('readMask', [bytes, entry.mask.labels], [bytes.buffer]);
  return { ...mask, data: renumber(mask.data, entry.mask.labels, labels) };
}

export interface Where {
  project: string;
  type: DatasetType;
  sourceRef: string;
}

/** `labels` are those of the project, by which the plane is numbered. Throws what a person must know if the picture cannot be opened. */
export async function openPicture(client: Client, s3: S3, { project, type, sourceRef }: Where, labels: readonly Label[], draftKey: DraftKey, threads: Threads, signal: AbortSignal): Promise<OpenedPicture> {
  const finding = findDatasetEntry(client, project, type, sourceRef, signal);
  const reading = finding.then(async (entry) => {
    try {
      return entry && { mask: await readMaskOf(s3, entry, labels, threads.masks, signal), problem: '' };
    } catch (error) {
      if (signal.aborted) throw error;
      return { mask: null, problem: sentenceOf(error) };
    }
  });
  const opening = fetchObject(s3, sourceRef, { signal }).then((bytes) => threads.picture.call('open', [bytes], [bytes.buffer]));
  const [size, entry, read, draft] = await Promise.all([opening, finding, reading, readDraft(draftKey).catch(() => undefined)]);
  signal.throwIfAborted();
  if (!entry) throw new PictureError('The dataset has no such picture. It may have been made anew without it.');
  let problem = read?.problem ?? '';
  let mask = read?.mask ?? null;
  if (mask && (mask.width !== size.width || mask.height !== size.height)) {
    problem = `The mask has ${mask.width} × ${mask.height} pixels, the picture ${size.width} × ${size.height}.`;
    mask = null;
  }
  const plane = new Plane(size.width, size.height, mask?.data);
  const drafted = draft && (await unpackDraft(draft, threads.masks, size.width, size.height).catch(() => null));
  if (!drafted) return { sourceRef, entry, plane, chosen: entry.class, draftAt: null, maskProblem: problem };
  // The draft is one step of undo over the mask that the dataset has.
  const isOther = plane.replace(renumber(drafted, draft.labels, labels));
  return { sourceRef, entry, plane, chosen: draft.class, draftAt: isOther || draft.class !== entry.class ? draft.at : null, maskProblem: problem };
}
