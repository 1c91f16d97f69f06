// Saves changed labels as whole lines of the dataset, in batches, one after the other.
import type { Client } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { anomalyLine, normalLine, parseEntry, segmentationLine, unlabelledLine } from '../labels/lines.ts';
import { updateEntries } from '../labels/update.ts';
import { kAnomaly, kNormal, type Label } from './rows.ts';

export type DatasetType = 'train' | 'test';

/** An anomaly whose mask is taken away. */
export const kNoMask = 'no mask';
/** What is to become of a picture: a label, or an anomaly without a mask. */
export type Change = Label | typeof kNoMask;

/** Lines and bytes of one call. The API takes 10 MiB; small batches show progress, and a failure concerns few lines. */
const kMostLines = 2000;
const kMostBytes = 2 << 20;
/** Up to so many pictures, each line is searched by its name; beyond, all lines of the dataset are read. */
const kFewLines = 30;

export interface Line {
  sourceRef: string;
  text: string;
}

const encoder = new TextEncoder();

/** Splits lines into batches of at most so many lines and bytes. A longer line has a batch for itself. */
export function batchesOf(lines: readonly Line[], mostLines = kMostLines, mostBytes = kMostBytes): Line[][] {
  const batches: Line[][] = [];
  let bytes = 0;
  for (const line of lines) {
    const length = encoder.encode(line.text).length + 1;
    const batch = batches.at(-1);
    if (!batch || batch.length >= mostLines || bytes + length > mostBytes) {
      batches.push([line]);
      bytes = length;
    } else {
      batch.push(line);
      bytes += length;
    }
  }
  return batches;
}

/** The lines that a message of the server names by their number, such as "Line 12 …". */
export function linesNamedIn(message: string, batch: readonly Line[]): Line[] {
  const numbers = [...message.matchAll(/\blines? (\d+)/gi)].map((match) => Number(match[1]));
  return numbers.flatMap((number) => batch[number - 1] ?? []);
}

/** The line that gives a picture a label. An anomaly keeps the mask that its line has; what is normal or unlabelled has none. */
export function relabelled(sourceRef: string, label: Change, previous: string | undefined): string {
  if (label === kNoMask) return anomalyLine(sourceRef, { previous });
  if (label === kNormal) return normalLine(sourceRef, { previous });
  if (label !== kAnomaly) return unlabelledLine(sourceRef, { previous });
  const mask = previous === undefined ? undefined : parseEntry(previous)?.mask;
  return mask ? segmentationLine(sourceRef, mask.maskRef, mask.labels, { previous }) : anomalyLine(sourceRef, { previous });
}

/** The lines of some pictures as the dataset has them now. */
async function currentLines(client: Client, project: string, type: DatasetType, sourceRefs: readonly string[]): Promise<Map<string, string>> {
  const wanted = new Set(sourceRefs);
  const found = new Map<string, string>();
  const search = async (contained?: string) => {
    let token: string | undefined;
    do {
      const input = { ProjectName: project, DatasetType: type, MaxResults: 100, SourceRefContains: contained, NextToken: token };
      const page = await client.call('ListDatasetEntries', input);
      for (const text of page.DatasetEntries ?? []) {
        const sourceRef = parseEntry(text)?.sourceRef;
        if (sourceRef !== undefined && wanted.has(sourceRef)) found.set(sourceRef, text);
      }
      token = page.NextToken;
    } while (token && found.size < wanted.size);
  };
  if (sourceRefs.length > kFewLines) await search();
  else for (const sourceRef of sourceRefs) if (!found.has(sourceRef)) await search(sourceRef);
  return found;
}

/** Labels that could not be saved, and why. */
export class SaveError extends Error {
  constructor(
    readonly cause: unknown,
    /** The pictures that the server names; empty if it names none. */
    readonly pictures: string[],
  ) {
    super(sentenceOf(cause));
  }
}

/** Saves labels by picture. `onSaved` is called after each batch that the dataset has taken. Throws a SaveError at the first that it has not. */
export async function saveLabels(client: Client, project: string, type: DatasetType, labels: ReadonlyMap<string, Change>, onSaved: (sourceRefs: string[]) => void): Promise<void> {
  let batch: Line[] = [];
  try {
    const before = await currentLines(client, project, type, [...labels.keys()]);
    const lines = [...labels].map(([sourceRef, label]) => ({ sourceRef, text: relabelled(sourceRef, label, before.get(sourceRef)) }));
    for (batch of batchesOf(lines)) {
      await updateEntries(
        client,
        project,
        type,
        batch.map((line) => line.text),
      );
      onSaved(batch.map((line) => line.sourceRef));
    }
  } catch (error) {
    throw new SaveError(error, linesNamedIn(sentenceOf(error), batch).map((line) => line.sourceRef));
  }
}
