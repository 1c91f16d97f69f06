import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PictureChange } from './findings.ts';
import { keepChanges, readChanges } from './kept_changes.ts';

function memory() {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => void items.set(name, value),
    removeItem: (name: string) => void items.delete(name),
  };
}
const change = (sourceRef: string): PictureChange => ({ picture: { type: 'train', sourceRef }, change: 1 });

test('Changes are read as they were kept, each project its own, and saved ones leave nothing', () => {
  const storage = memory();
  const changes = new Map([['train s3://b/1.png', change('s3://b/1.png')]]);
  keepChanges('me one', changes, storage);
  assert.deepEqual(readChanges('me one', storage), changes);
  assert.equal(readChanges('me two', storage).size, 0);
  keepChanges('me one', new Map(), storage);
  assert.equal(storage.items.size, 0);
});

test('What is broken counts as nothing, and a full storage is no error', () => {
  const storage = memory();
  for (const text of ['{', '7', '[1]', 'null']) {
    storage.items.set('doctor me', text);
    assert.equal(readChanges('me', storage).size, 0, text);
  }
  const full = {
    setItem: () => {
      throw new Error('full');
    },
    removeItem: () => {},
  };
  keepChanges('me', new Map([['a', change('a')]]), full);
});
