import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kMostInPack, ThumbnailQueue } from './thumbnail_queue.ts';

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const soon = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A queue whose packs arrive when the test says so. */
function make(now = () => 0) {
  const loaded = new Set<number>();
  const packs: { rows: number[]; arrive: () => Promise<void>; fail: () => Promise<void> }[] = [];
  const load = (rows: number[]) =>
    new Promise<void>((resolve, reject) => {
      packs.push({
        rows,
        arrive: () => {
          for (const row of rows) loaded.add(row);
          resolve();
          return soon();
        },
        fail: () => {
          reject(new Error('down'));
          return soon();
        },
      });
    });
  const has = (row: number) => loaded.has(row);
  return { queue: new ThumbnailQueue(load, has, has, now), packs };
}

test('At most three packs are on their way, and nothing is asked for twice', () => {
  const { queue, packs } = make();
  queue.want(range(0, 500), []);
  queue.want(range(0, 500), []);
  assert.equal(packs.length, 3);
  const rows = packs.flatMap((pack) => pack.rows);
  assert.equal(new Set(rows).size, rows.length);
});

test('What was wanted a moment ago is forgotten', async () => {
  const { queue, packs } = make();
  queue.want(range(0, 500), []);
  queue.want(range(9000, 9020), []);
  await packs[0]!.arrive();
  assert.deepEqual(packs[3]!.rows, range(9000, 9020));
});

test('The rest waits for the screen, and leaves one of the three packs free', async () => {
  const { queue, packs } = make();
  queue.want(range(0, 10), range(10, 400));
  assert.deepEqual(packs.map((pack) => pack.rows), [range(0, 10)]);
  await packs[0]!.arrive();
  assert.equal(packs.length, 3);
  assert.equal(packs[1]!.rows[0], 10);
  queue.want(range(800, 810), range(810, 900));
  assert.deepEqual(packs[3]!.rows, range(800, 810));
});

test('Packs grow to 128 with a fast server and shrink with a slow one', async () => {
  let time = 0;
  const { queue, packs } = make(() => time);
  for (let i = 0; i < 12; i++) {
    queue.want(range(0, 100_000), []);
    await packs.at(-1)!.arrive();
  }
  assert.equal(Math.max(...packs.map((pack) => pack.rows.length)), kMostInPack);
  for (let i = 0; i < 12; i++) {
    time += 20_000;
    await packs.at(-1)!.arrive();
  }
  assert.equal(packs.at(-1)!.rows.length, 8);
});

test('After a failure nothing is asked for a while, and then again', async () => {
  let time = 0;
  const { queue, packs } = make(() => time);
  queue.want([1, 2], []);
  await packs[0]!.fail();
  queue.want([1, 2], []);
  assert.equal(packs.length, 1);
  time += 2000;
  queue.want([1, 2], []);
  assert.deepEqual(packs[1]!.rows, [1, 2]);
  queue.close();
});
