import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { S3 } from '../api/s3.ts';
import { sendPictures } from './send_pictures.ts';

const found = (path: string, last: number) => ({ path, file: new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, last])], path) });

/** A bucket that holds one object and takes every other one. */
const bucketWith = (key: string) =>
  ({
    listAll: async () => [{ key, size: 9, etag: 'of another picture' }],
    putUnpacked: async () => {},
  }) as unknown as S3;

test('The keys are those that the pictures got, not those of pictures that had their names before', async () => {
  const sent = await sendPictures(bucketWith('p/a.png'), 'b', [found('a.png', 1), found('c.png', 2)], 'p/', () => {});
  assert.deepEqual(sent, { Bucket: 'b', Keys: ['p/a-2.png', 'p/c.png'] });
});

test('Two pictures of one name have a key each', async () => {
  const sent = await sendPictures(bucketWith('p/other.png'), 'b', [found('a.png', 1), found('a.png', 2)], 'p/', () => {});
  assert.deepEqual(sent.Keys, ['p/a-2.png', 'p/a.png']);
});
