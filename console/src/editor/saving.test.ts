import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskKey, renumber } from './saving.ts';

const label = (name: string) => ({ name, colour: '#123456' });

test('Masks lie in the folder of their dataset, under a name that tells the picture', () => {
  assert.equal(maskKey('line7', 'train', 'a/b/part 1.jpeg', '0f'), 'projects/line7/train-masks/part 1-mask-0f.png');
  assert.equal(maskKey('line7', 'test', 'plain', '0f'), 'projects/line7/test-masks/plain-mask-0f.png');
  const long = maskKey('line7', 'test', `${'ä'.repeat(400)}.png`, '0f');
  assert.ok(new TextEncoder().encode(long).length < 1024);
});

test('Planes keep their labels by name when the list of labels differs', () => {
  const data = Uint8Array.of(0, 1, 2, 3, 1);
  const from = [label('a'), label('b'), label('c')];
  assert.deepEqual([...renumber(data, from, [label('c'), label('x'), label('a')])], [0, 3, 0, 1, 3]);
  assert.equal(renumber(data, from, [...from, label('d')]), data);
});
