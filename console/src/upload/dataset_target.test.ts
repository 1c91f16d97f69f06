import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import type { S3 } from '../api/s3.ts';
import { parseEntry, segmentationLine } from '../labels/lines.ts';
import { datasetTarget } from './dataset_target.ts';

/** A server with one dataset, or none. */
class FakeServer {
  lines: Map<string, string> | undefined;
  readonly client = {
    all: async (_name: string, _list: string, { SourceRefContains }: Record<string, string>) => [...this.lines!].filter(([ref]) => ref.includes(SourceRefContains!)).map(([, line]) => line),
    call: async (name: string, { Changes }: Record<string, string>) => {
      if (name === 'CreateDataset') this.lines = new Map();
      if (!this.lines) throw new ApiError('ResourceNotFoundException', 'There is no such dataset.', 404);
      if (name === 'ListDatasetImages') return { TotalCount: this.lines.size, Images: [...this.lines.keys()].map((SourceRef) => ({ SourceRef })) };
      if (name === 'UpdateDatasetEntries') for (const line of atob(Changes!).split('\n')) this.lines.set(parseEntry(line)!.sourceRef, line);
      return { DatasetDescription: { Status: 'UPDATE_COMPLETE' } };
    },
  } as unknown as Client;
}

const place = { project: 'p', type: 'train' as const, bucket: 'line7', prefix: 'x/' };

test('Pictures are added to a dataset, which is made if there is none', async () => {
  const server = new FakeServer();
  await datasetTarget({ client: server.client, s3: {} as S3 }, place).add([
    { key: 'x/1.png', label: 'normal' },
    { key: 'x/2.png', label: null },
  ]);
  assert.deepEqual([...server.lines!].map(([ref, line]) => [ref, parseEntry(line)!.class]), [['s3://line7/x/1.png', 'normal'], ['s3://line7/x/2.png', null]]);
});

test('Pictures that the dataset holds keep their labels and masks when they are uploaded again', async () => {
  const server = new FakeServer();
  const drawn = segmentationLine('s3://line7/x/1.png', 's3://line7/mask.png', [{ name: 'scratch', colour: '#e6194b' }]);
  server.lines = new Map([['s3://line7/x/1.png', drawn]]);
  const target = datasetTarget({ client: server.client, s3: {} as S3 }, place);
  await target.add([
    { key: 'x/1.png', label: 'normal' },
    { key: 'x/3.png', label: 'anomaly' },
  ]);
  await target.add([{ key: 'x/1.png', label: null }]);
  assert.equal(server.lines.get('s3://line7/x/1.png'), drawn);
  assert.equal(parseEntry(server.lines.get('s3://line7/x/3.png')!)!.class, 'anomaly');
});
