// Saves changed labels: as whole lines of the dataset, in batches, one after the other.
import { clientToken, type Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';

export type DatasetType = 'train' | 'test';

/** Rows and bytes of one call; the API takes 10 MiB, and small batches show progress and fail for few lines. */
const kMostLines = 2000;
const kMostBytes = 2 << 20;
/** Up to so many pictures, each line is searched by its name; beyond, all lines of the dataset are read. */
const kFewLines = 40;

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

/** Text as base64 of its UTF-8, in pieces, because functions take few arguments at once. */
export function base64(text: string): string {
  const bytes = encoder.encode(text);
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 0x8000) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(pieces.join(''));
}

/** The pictures of the lines whose numbers a message of the server names, such as "Line 12 …". */
export function linesNamedIn(message: string, batch: readonly Line[]): Line[] {
  const numbers = [...message.matchAll(/\blines? (\d+)/gi)].map((match) => Number(match[1]));
  return numbers.flatMap((number) => batch[number - 1] ?? []);
}

const sourceRefOf = (text: string) => String((JSON.parse(text) as Record<string, unknown>)['source-ref']);

/** The lines of some pictures as the dataset has them now. */
export async function currentLines(client: Client, project: string, type: DatasetType, sourceRefs: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const dataset = { ProjectName: project, DatasetType: type, MaxResults: 100 };
  if (sourceRefs.length <= kFewLines) {
    for (const sourceRef of sourceRefs) {
      const lines = await client.all('ListDatasetEntries', 'DatasetEntries', { ...dataset, SourceRefContains: sourceRef }, { signal });
      for (const text of lines) if (sourceRefOf(text) === sourceRef) found.set(sourceRef, text);
    }
    return found;
  }
  const wanted = new Set(sourceRefs);
  let token: string | undefined;
  do {
    const page = await client.call('ListDatasetEntries', { ...dataset, NextToken: token }, { signal });
    for (const text of page.DatasetEntries ?? []) {
      const sourceRef = sourceRefOf(text);
      if (wanted.has(sourceRef)) found.set(sourceRef, text);
    }
    token = page.NextToken;
  } while (token && found.size < wanted.size);
  return found;
}

const isBusy = (status: string | undefined) => status !== undefined && status.endsWith('_IN_PROGRESS');

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** Waits until no import or update of a dataset runs, and returns how it is then. */
export async function settled(client: Client, project: string, type: DatasetType, signal: AbortSignal) {
  for (let wait = 150; ; wait = Math.min(2000, wait * 1.5)) {
    const { DatasetDescription } = await client.call('DescribeDataset', { ProjectName: project, DatasetType: type }, { signal });
    if (!isBusy(DatasetDescription?.Status)) return DatasetDescription;
    await pause(wait, signal);
  }
}

/** What could not be saved, and why. */
export class SaveError extends Error {
  constructor(
    message: string,
    /** The pictures that the server names; empty if it names none. */
    readonly pictures: string[],
    readonly cause: unknown,
  ) {
    super(message);
  }
}

/** Sends lines in batches, each after the one before was taken. `onSaved` is called after each. Throws a SaveError at the first batch that fails. */
export async function saveLines(
  client: Client,
  project: string,
  type: DatasetType,
  lines: readonly Line[],
  onSaved: (batch: Line[]) => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  for (const batch of batchesOf(lines)) {
    const changes = { ProjectName: project, DatasetType: type, Changes: base64(batch.map((line) => line.text).join('\n')) };
    try {
      await settled(client, project, type, signal);
      await client.call('UpdateDatasetEntries', { ...changes, ClientToken: clientToken() }, { signal });
      const after = await settled(client, project, type, signal);
      if (after?.Status !== 'UPDATE_COMPLETE') throw new ApiError('UpdateFailed', after?.StatusMessage || `The dataset is in the status ${after?.Status}.`, 200);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new SaveError(message, linesNamedIn(message, batch).map((line) => line.sourceRef), error);
    }
    await onSaved(batch);
  }
}
