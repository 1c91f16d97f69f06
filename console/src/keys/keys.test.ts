import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chordOf, findKey, kKeys, keysMarkdown, showChord, type KeyScope, type Pressed } from './keys.ts';

const press = (key: string, more: Partial<Pressed> = {}): Pressed => ({ key, code: '', ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

test('No scope uses a chord or an id twice, nor a chord of everywhere', () => {
  const own = (scope: KeyScope) => kKeys.filter((entry) => entry.scope === scope);
  // The large view of a gallery binds the keys of both.
  for (const scopes of [['gallery', 'look', 'global'], ['editor', 'global']] as const) {
    const chords = scopes.flatMap(own).flatMap((entry) => entry.keys);
    assert.deepEqual(chords, [...new Set(chords)]);
    for (const scope of scopes) {
      const ids = own(scope).map((entry) => entry.id);
      assert.deepEqual(ids, [...new Set(ids)]);
    }
  }
});

test('Events become the chords of the table on every layout', () => {
  assert.equal(chordOf(press('z', { ctrlKey: true })), 'Ctrl+Z');
  assert.equal(chordOf(press('Z', { metaKey: true, shiftKey: true })), 'Ctrl+Shift+Z');
  assert.equal(chordOf(press('z')), 'Z');
  assert.equal(chordOf(press('Z')), 'Z', 'Caps Lock is no Shift');
  assert.equal(chordOf(press('?', { shiftKey: true })), '?');
  assert.equal(chordOf(press(' ')), 'Space');
  assert.equal(chordOf(press('!', { shiftKey: true, code: 'Digit1' })), 'Shift+1');
  assert.equal(chordOf(press('1', { code: 'Digit1' })), '1');
  const altGr = press('[', { ctrlKey: true, altKey: true, code: 'Digit8', getModifierState: (name) => name === 'AltGraph' });
  assert.equal(chordOf(altGr), '[');
  assert.equal(chordOf(press('ArrowLeft', { shiftKey: true })), 'Shift+ArrowLeft');
});

test('Digits find one entry for all nine', () => {
  assert.equal(findKey('editor', '1')?.id, 'label');
  assert.equal(findKey('editor', '9')?.id, 'label');
  assert.equal(findKey('editor', '0'), undefined);
});

test('Chords are shown as people read them', () => {
  assert.equal(showChord('Ctrl+Shift+Z'), 'Ctrl + Shift + Z');
  assert.equal(showChord('+'), '+');
  assert.equal(showChord('Shift+ArrowLeft'), 'Shift + ←');
});

test('The page of keys in docs/ is that of this table (npm run keys)', () => {
  assert.equal(readFileSync('../docs/console/keys.md', 'utf8'), keysMarkdown());
});
