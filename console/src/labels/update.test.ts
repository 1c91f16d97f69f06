import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import { anomalyLine, normalLine, parseEntry } from './lines.ts';
import { updateEntries } from './update.ts';

/** A dataset whose updates are done at once; `refuses` says what becomes of the next one. */
class FakeDataset {
  readonly lines = new Map<string, string>();
  status = 'CREATE_COMPLETE';
  conflicts = 0;
  /** Rolls the update back, and then lets that of another person succeed. */
  isOvertaken = false;

  readonly client = {
    all: async (_name: string, _list: string, { SourceRefContains }: Record<string, string>) => [...this.lines].filter(([ref]) => ref.includes(SourceRefContains!)).map(([, line]) => line),
    call: async (name: string, { Changes }: Record<string, string>) => {
      if (name === 'DescribeDataset') return { DatasetDescription: { Status: this.status, StatusMessage: 'The status says why.' } };
      if (this.conflicts-- > 0) throw new ApiError('ConflictException', 'An update is under way.', 409);
      if (!this.isOvertaken) for (const line of atob(Changes!).split('\n')) this.lines.set(parseEntry(line)!.sourceRef, line);
      this.status = 'UPDATE_COMPLETE';
      return {};
    },
  } as unknown as Client;
}

test('Lines are sent, also if another update has to end first', async () => {
  const dataset = new FakeDataset();
  dataset.conflicts = 2;
  await updateEntries(dataset.client, 'p', 'train', [normalLine('s3://b/1'), anomalyLine('s3://b/2')]);
  assert.deepEqual([...dataset.lines.keys()], ['s3://b/1', 's3://b/2']);
});

test("An update that was rolled back is not taken for another person's that succeeded", async () => {
  const dataset = new FakeDataset();
  dataset.isOvertaken = true;
  dataset.lines.set('s3://b/1', anomalyLine('s3://b/1'));
  await assert.rejects(updateEntries(dataset.client, 'p', 'train', [normalLine('s3://b/1')]), { name: 'UpdateFailed' });
});

test('A dataset that could not be made ends the wait with its reason', async () => {
  const dataset = new FakeDataset();
  dataset.conflicts = 1e9;
  dataset.status = 'CREATE_FAILED';
  await assert.rejects(updateEntries(dataset.client, 'p', 'train', [normalLine('s3://b/1')]), { message: 'The status says why.' });
});
