import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DraftKeeper, draftKey, type Draft } from './drafts.ts';
import type { Editor } from './editor.ts';
import type { PictureThread } from './picture_thread.ts';
import { Plane } from './plane.ts';

// What the keeper needs of a browser. Its timer never rings here: drafts are written when a keeper is closed.
Object.assign(globalThis, { window: { setTimeout: () => 1, clearTimeout() {} }, document: new EventTarget() });

const key = draftKey('somebody train', 's3://b/1.png');

/** A database with one draft at most. */
function database() {
  const kept: { draft?: Draft } = {};
  return {
    kept,
    write: async (_: unknown, draft: Draft) => void (kept.draft = draft),
    remove: async (_: unknown, at: number) => {
      if (kept.draft && kept.draft.at <= at) delete kept.draft;
    },
  };
}

function open(store: ReturnType<typeof database>) {
  const plane = new Plane(2, 1);
  const listeners = new Set<() => void>();
  const editor = { plane, state: { revision: 0 }, subscribe: (listener: () => void) => (listeners.add(listener), () => listeners.delete(listener)) };
  const thread = { call: async (_: string, [data]: [Uint8Array]) => data.slice() };
  const keeper = new DraftKeeper(key, editor as unknown as Editor, thread as unknown as PictureThread, () => [], null, store);
  const draw = (value: number) => {
    plane.replace(Uint8Array.of(value, value));
    editor.state.revision = plane.revision;
    for (const listener of listeners) listener();
  };
  return { keeper, draw };
}

test('A class that was chosen is kept as a draft, without any change of the mask', async () => {
  for (const chosen of ['normal', null] as const) {
    const store = database();
    const { keeper } = open(store);
    keeper.choose(chosen);
    await keeper.close();
    assert.equal(store.kept.draft?.class, chosen === 'normal' ? chosen : undefined, 'null was chosen before');
  }
});

test('A draft goes when all of it is saved, also if it is written meanwhile', async () => {
  const store = database();
  const { keeper, draw } = open(store);
  draw(1);
  const at = keeper.changedAt;
  void keeper.close();
  await keeper.saved(at);
  assert.equal(store.kept.draft, undefined);
});

test('What is changed while a mask is being saved stays as a draft', async () => {
  const store = database();
  const { keeper, draw } = open(store);
  draw(1);
  const at = keeper.changedAt;
  draw(2);
  keeper.choose('anomaly');
  await keeper.close();
  await keeper.saved(at);
  assert.deepEqual([...store.kept.draft!.packed], [2, 2]);
  assert.equal(store.kept.draft!.class, 'anomaly');
});

test('What is changed in an editor that was opened again while the mask was being saved stays as a draft', async () => {
  const store = database();
  const first = open(store);
  first.draw(1);
  const at = first.keeper.changedAt;
  await first.keeper.close();
  const second = open(store);
  second.draw(3);
  second.draw(4);
  await second.keeper.close();
  await first.keeper.saved(at);
  assert.deepEqual([...store.kept.draft!.packed], [4, 4]);
});

test('Nothing is written when an editor closes whose mask is saved', async () => {
  const store = database();
  const { keeper, draw } = open(store);
  draw(1);
  await keeper.saved(keeper.changedAt);
  await keeper.close();
  assert.equal(store.kept.draft, undefined);
});
