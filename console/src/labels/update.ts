// Sends lines to a dataset, and waits until the dataset holds them.
import { clientToken, type Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import type { DatasetDescription } from '../api/generated.ts';
import { base64OfBytes } from '../pictures/base64.ts';
import { changesOf, parseEntry } from './lines.ts';

const toBase64 = (text: string) => base64OfBytes(new TextEncoder().encode(text));

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Another person's update of the same dataset is waited for, but not for ever. */
const kLongestWait = 10 * 60_000;

/** Waits until no import and no update is under way, and returns the dataset. Throws if it could not be made at all. */
export async function settledDataset(client: Client, project: string, type: 'train' | 'test'): Promise<DatasetDescription> {
  for (let wait = 50; ; wait = Math.min(1000, wait * 1.5)) {
    const { DatasetDescription: dataset = {} } = await client.call('DescribeDataset', { ProjectName: project, DatasetType: type });
    if (dataset.Status === 'CREATE_FAILED') throw new ApiError('CREATE_FAILED', dataset.StatusMessage || 'The dataset could not be created.', 400);
    if (!dataset.Status || !/IN_PROGRESS/.test(dataset.Status)) return dataset;
    await pause(wait);
  }
}

/** Whether the dataset now says of a picture what this line says. The status alone may be that of another person's update. */
async function holds(client: Client, project: string, type: 'train' | 'test', line: string): Promise<boolean> {
  const sent = parseEntry(line);
  if (!sent) return false;
  const input = { ProjectName: project, DatasetType: type, SourceRefContains: sent.sourceRef, MaxResults: 100 };
  const lines = await client.all('ListDatasetEntries', 'DatasetEntries', input);
  const found = lines.map(parseEntry).find((entry) => entry?.sourceRef === sent.sourceRef);
  return !!found && found.class === sent.class && found.mask?.maskRef === sent.mask?.maskRef;
}

/** Adds or replaces entries, in as many calls as their size needs; each is all or nothing. Resolves when the last one is done. */
export async function updateEntries(client: Client, project: string, type: 'train' | 'test', lines: string[], onProgress: (callsDone: number, calls: number) => void = () => {}) {
  const calls = changesOf(lines);
  for (const [i, changes] of calls.entries()) {
    const input = { ProjectName: project, DatasetType: type, Changes: toBase64(changes), ClientToken: clientToken() };
    for (const start = Date.now(); ; ) {
      try {
        await client.call('UpdateDatasetEntries', input);
        break;
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'ConflictException' || Date.now() - start > kLongestWait) throw error;
        await settledDataset(client, project, type);
        await pause(100);
      }
    }
    const dataset = await settledDataset(client, project, type);
    if (!(await holds(client, project, type, changes.slice(changes.lastIndexOf('\n') + 1))))
      throw new ApiError('UpdateFailed', dataset.StatusMessage || 'The dataset did not take the changes.', 400);
    onProgress(i + 1, calls.length);
  }
}
