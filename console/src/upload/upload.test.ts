import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Upload, type UploadItem, type UploadProgress, type UploadTarget } from './upload.ts';

const png = (seed: number) => new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, seed & 255, seed >> 8]);
const item = (path: string, seed: number): UploadItem => ({ path, file: new Blob([png(seed)]), label: 'normal' });
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

class FakeTarget implements UploadTarget {
  readonly objects = new Map<string, Uint8Array>();
  readonly dataset: string[] = [];
  puts = 0;
  packs = 0;
  failing: (key: string) => Error | undefined = () => undefined;
  async list() {
    return new Map([...this.objects].map(([key, bytes]) => [key, { size: bytes.length, etag: md5(bytes) }]));
  }
  async put(key: string, body: Uint8Array) {
    this.puts++;
    const error = this.failing(key);
    if (error) throw error;
    this.objects.set(key, body);
  }
  async putPack(files: { key: string; body: Uint8Array }[]) {
    this.packs++;
    assert.ok(files.length <= 64);
    const error = files.map(({ key }) => this.failing(key)).find(Boolean);
    if (error) throw error;
    for (const { key, body } of files) {
      this.puts++;
      this.objects.set(key, body);
    }
  }
  async add(pictures: { key: string }[]) {
    for (const { key } of pictures) assert.ok(this.objects.has(key), 'A picture is added only when the bucket holds it.');
    this.dataset.push(...pictures.map(({ key }) => key));
  }
}

async function run(target: FakeTarget, items: UploadItem[]): Promise<UploadProgress> {
  const upload = new Upload(items, 'p/', target, () => {});
  await upload.run();
  return upload.progress;
}

test('Everything is sent once and added', async () => {
  const target = new FakeTarget();
  const items = Array.from({ length: 5000 }, (_, i) => item(`a/${i}.png`, i));
  const progress = await run(target, items);
  assert.equal(progress.phase, 'finished');
  assert.equal(target.objects.size, 5000);
  assert.equal(new Set(target.dataset).size, 5000);
  assert.equal(progress.added, 5000);
  assert.equal(target.puts, 5000);
  assert.ok(target.packs <= 90, String(target.packs));
});

test('What the bucket already holds is not sent again, but added', async () => {
  const target = new FakeTarget();
  target.objects.set('p/1.png', png(1));
  const progress = await run(target, [item('1.png', 1), item('2.png', 2)]);
  assert.equal(target.puts, 1);
  assert.equal(progress.alreadyThere, 1);
  assert.deepEqual(target.dataset.sort(), ['p/1.png', 'p/2.png']);
});

test('Another picture under a known name is kept beside it', async () => {
  const target = new FakeTarget();
  target.objects.set('p/1.png', png(1));
  target.objects.set('p/1-2.png', png(7));
  await run(target, [item('1.png', 2)]);
  assert.deepEqual([...target.objects.keys()], ['p/1.png', 'p/1-2.png', 'p/1-3.png']);
  assert.deepEqual(target.objects.get('p/1.png'), png(1));
});

test('Files that are no pictures or too large are named, and the others are sent', async () => {
  const target = new FakeTarget();
  const progress = await run(target, [
    { path: 'x.svg', file: new Blob(['<svg/>']), label: null },
    { path: 'big.png', file: new Blob([png(1), new Uint8Array(9 << 20)]), label: null },
    item('ok.png', 3),
  ]);
  assert.deepEqual(progress.failures.map(({ item: { path } }) => path).sort(), ['big.png', 'x.svg']);
  assert.deepEqual(target.dataset, ['p/ok.png']);
});

test('Large pictures, and those whose names do not tell their type, are sent alone', async () => {
  const target = new FakeTarget();
  const large = new Blob([png(1), new Uint8Array(300_000)]);
  const progress = await run(target, [{ path: 'large.png', file: large, label: null }, item('misnamed.jpg', 2), item('small.PNG', 3)]);
  assert.equal(progress.sent, 3);
  assert.equal(target.packs, 1);
  assert.equal(target.puts, 3);
});

test('A refused pack is sent picture by picture, and only the one at fault is told, with its reason', async () => {
  const target = new FakeTarget();
  target.failing = (key) => (key.endsWith('1.png') ? Object.assign(new Error('No.'), { status: 403 }) : undefined);
  const progress = await run(target, [item('1.png', 1), item('2.png', 2)]);
  assert.equal(target.puts, 2);
  assert.deepEqual(progress.failures.map(({ reason }) => reason), ['No.']);
  assert.deepEqual(target.dataset, ['p/2.png']);
});

test('A pack that the network lost is sent again', async () => {
  const target = new FakeTarget();
  let lost = 1;
  target.failing = () => (lost-- > 0 ? Object.assign(new Error('Lost.'), { status: 0 }) : undefined);
  const progress = await run(target, [item('1.png', 1)]);
  assert.equal(target.packs, 2);
  assert.deepEqual(progress.failures, []);
  assert.deepEqual(target.dataset, ['p/1.png']);
});

test('A failing dataset stops the upload with the reason', async () => {
  const target = new FakeTarget();
  target.add = () => Promise.reject(new Error('The dataset is gone.'));
  const progress = await run(target, [item('1.png', 1)]);
  assert.equal(progress.phase, 'stopped');
  assert.equal(progress.problem, 'The dataset is gone.');
});

test('A stopped upload sends no more', async () => {
  const target = new FakeTarget();
  const upload: Upload = new Upload(Array.from({ length: 2000 }, (_, i) => item(`${i}.png`, i)), 'p/', target, (progress) => {
    if (progress.sent >= 64 && progress.phase === 'sending') upload.stop();
  });
  await upload.run();
  assert.equal(upload.progress.phase, 'stopped');
  assert.ok(target.puts <= 64 * 12, String(target.puts));
});
