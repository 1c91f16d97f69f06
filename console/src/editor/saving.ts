// Saves what was drawn: the mask as a PNG beside the pictures, and the picture's line in the dataset.
import { s3Uri, parseS3Uri, type S3 } from '../api/s3.ts';
import type { Client } from '../api/client.ts';
import { kMaxLabelsPerMask, type Label } from '../labels/colours.ts';
import { anomalyLine, normalLine, parseEntry, segmentationLine, unlabelledLine, type Entry, type EntryClass } from '../labels/lines.ts';
import { updateEntries } from '../labels/update.ts';
import type { DatasetType } from '../labels/project_labels.ts';
import type { MaskPlane } from '../pictures/mask.ts';
import type { PictureThread } from './picture_thread.ts';

/** A mask as a file, and the labels that it holds. */
export interface PackedMask {
  png: Uint8Array<ArrayBuffer>;
  labels: Label[];
}

/** Packs a copy of a plane; the plane may be drawn on meanwhile. */
export async function packMask({ width, height, data }: MaskPlane, labels: readonly Label[], thread: PictureThread): Promise<PackedMask> {
  const copy = data.slice();
  const packed = await thread.call('writeMask', [{ width, height, data: copy }, [...labels]], [copy.buffer]);
  if (packed.labels.length > kMaxLabelsPerMask) throw new Error(`The mask holds ${packed.labels.length} anomaly labels; a mask can have ${kMaxLabelsPerMask}.`);
  return packed;
}

/**
 * Where a mask is kept: in the bucket of the picture, as the API demands, beside the pictures that the console uploads. Each
 * save has a key of its own, since another line may still name the older mask.
 */
export function maskKey(project: string, type: DatasetType, pictureKey: string, random: string): string {
  const name = pictureKey.slice(pictureKey.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
  return `projects/${project}/${type}-masks/${[...name].slice(0, 200).join('')}-mask-${random}.png`;
}

const randomText = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Saves class and mask of a picture and returns its new entry. Only an anomaly has a mask. */
export async function saveDrawing(client: Client, s3: S3, project: string, type: DatasetType, entry: Entry, chosen: EntryClass | null, mask: PackedMask): Promise<Entry> {
  const options = { previous: entry.line };
  let line: string;
  if (chosen === null) line = unlabelledLine(entry.sourceRef, options);
  else if (chosen === 'normal') line = normalLine(entry.sourceRef, options);
  else if (mask.labels.length === 0) line = anomalyLine(entry.sourceRef, options);
  else {
    const picture = parseS3Uri(entry.sourceRef);
    if (!picture) throw new Error(`${entry.sourceRef} is not the address of a picture.`);
    const place = { bucket: picture.bucket, key: maskKey(project, type, picture.key, randomText()) };
    line = segmentationLine(entry.sourceRef, s3Uri(place), mask.labels, options);
    await s3.put(place, mask.png, 'image/png');
  }
  await updateEntries(client, project, type, [line]);
  return parseEntry(line)!;
}

/** Rewrites the numbers of a plane from one list of labels to another, by name. Labels that the second lacks become background. */
export function renumber(data: Uint8Array<ArrayBuffer>, from: readonly Label[], to: readonly Label[]): Uint8Array<ArrayBuffer> {
  const table = new Uint8Array(256);
  from.forEach(({ name }, i) => (table[i + 1] = to.findIndex((label) => label.name === name) + 1));
  if (table.every((number, i) => number === i || i > from.length)) return data;
  const out = new Uint8Array(data.length);
  for (let i = 0; i < data.length; ++i) out[i] = table[data[i]!]!;
  return out;
}
