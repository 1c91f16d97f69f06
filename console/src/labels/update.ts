// Sends lines to a dataset, and waits until the dataset holds them.
import { clientToken, type Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import { changesOf } from './lines.ts';

const toBase64 = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
};

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Waits until no import and no update is under way. Throws with the server's reason if the last one failed. */
export async function settledDataset(client: Client, project: string, type: 'train' | 'test'): Promise<void> {
  for (let wait = 50; ; wait = Math.min(1000, wait * 1.5)) {
    const { DatasetDescription } = await client.call('DescribeDataset', { ProjectName: project, DatasetType: type });
    const status = DatasetDescription?.Status ?? '';
    if (status === 'CREATE_COMPLETE' || status === 'UPDATE_COMPLETE') return;
    if (status === 'UPDATE_FAILED_ROLLBACK_COMPLETE' || status === 'CREATE_FAILED')
      throw new ApiError(status, DatasetDescription?.StatusMessage || 'The dataset could not be changed.', 400);
    await pause(wait);
  }
}

/** Adds or replaces entries, in as many calls as their size needs; each is all or nothing. Resolves when the last one is done. */
export async function updateEntries(client: Client, project: string, type: 'train' | 'test', lines: string[], onProgress: (callsDone: number, calls: number) => void = () => {}) {
  const calls = changesOf(lines);
  for (const [i, changes] of calls.entries()) {
    const input = { ProjectName: project, DatasetType: type, Changes: toBase64(changes), ClientToken: clientToken() };
    for (;;) {
      try {
        await client.call('UpdateDatasetEntries', input);
        break;
      } catch (error) {
        // Another update may still be under way: this one takes its turn.
        if (!(error instanceof ApiError) || error.code !== 'ConflictException') throw error;
        await pause(500);
      }
    }
    await settledDataset(client, project, type);
    onProgress(i + 1, calls.length);
  }
}
