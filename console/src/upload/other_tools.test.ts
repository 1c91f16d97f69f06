import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../api/client.ts';
import { ApiError } from '../api/errors.ts';
import type { S3 } from '../api/s3.ts';
import { exportedFiles, takeOver } from './other_tools.ts';

const names = (...paths: string[]) => exportedFiles(paths.map((path) => ({ path, file: new File([], 'x') }))).map(({ path }) => path);

test('The folder that all files share is left out of their names, and hidden files are left out', () => {
  assert.deepEqual(names('out/data/data.yaml', 'out/data/images/1.png'), ['data.yaml', 'images/1.png']);
  assert.deepEqual(names('out/1.png', 'out/.git/config', '__MACOSX/out/1.png'), ['1.png']);
  assert.deepEqual(names('a/1.png', 'b/1.png'), ['a/1.png', 'b/1.png']);
  assert.deepEqual(names('labels.json'), ['labels.json']);
  assert.deepEqual(names(), []);
});

test('A project without datasets gets those of the source', async () => {
  const calls: [string, unknown][] = [];
  const made = new Set<string>();
  const client = {
    async call(name: string, input: { DatasetType: string }) {
      if (name === 'DescribeDataset') {
        if (!made.has(input.DatasetType)) throw new ApiError('ResourceNotFoundException', 'None.', 404);
        return { DatasetDescription: { Status: 'CREATE_COMPLETE' } };
      }
      calls.push([name, input.DatasetType]);
      made.add(input.DatasetType);
      return {};
    },
  } as unknown as Client;
  const conversion = { Train: { ManifestKey: 'a/train.manifest' }, Test: { ManifestKey: 'a/test.manifest' } };
  await takeOver(client, {} as S3, 'p', 'b', conversion);
  assert.deepEqual(calls, [['CreateDataset', 'train'], ['CreateDataset', 'test']]);
});

test('A dataset that could not be made ends the import with the reason', async () => {
  const client = {
    async call(name: string) {
      if (name === 'CreateDataset') made = true;
      if (name === 'DescribeDataset' && !made) throw new ApiError('ResourceNotFoundException', 'None.', 404);
      return { DatasetDescription: { Status: 'CREATE_FAILED', StatusMessage: 'Line 3 is bad.' } };
    },
  } as unknown as Client;
  let made = false;
  await assert.rejects(takeOver(client, {} as S3, 'p', 'b', { Train: { ManifestKey: 'm' } }), /Line 3 is bad/);
});

test('Who gives up after the first dataset gets no second one', async () => {
  const controller = new AbortController();
  const made: string[] = [];
  const client = {
    async call(name: string, { DatasetType: type }: { DatasetType: string }) {
      if (name === 'CreateDataset') {
        made.push(type);
        controller.abort();
      } else if (!made.includes(type)) throw new ApiError('ResourceNotFoundException', 'None.', 404);
      return { DatasetDescription: { Status: 'CREATE_COMPLETE' } };
    },
  } as unknown as Client;
  const conversion = { Train: { ManifestKey: 'a/train.manifest' }, Test: { ManifestKey: 'a/test.manifest' } };
  await assert.rejects(takeOver(client, {} as S3, 'p', 'b', conversion, undefined, controller.signal), { name: 'AbortError' });
  assert.deepEqual(made, ['train']);
});
