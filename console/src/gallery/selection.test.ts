import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Selection } from './selection.ts';

/** A selection over rows 10, 11, …, 19, whose places are 0 … 9. */
function make() {
  const selection = new Selection();
  selection.show(Array.from({ length: 10 }, (_, i) => 10 + i));
  return selection;
}
const chosen = (selection: Selection) => [...selection.chosen].sort((a, b) => a - b);

test('The focus begins at the first picture, and movements stop at the ends', () => {
  const selection = make();
  assert.equal(selection.focus, 10);
  selection.moveBy(-5);
  assert.equal(selection.focus, 10);
  selection.moveBy(99);
  assert.equal(selection.focus, 19);
});

test('Shift extends from where the last plain movement ended, and shrinks again', () => {
  const selection = make();
  selection.moveTo(3);
  selection.moveBy(3, { extend: true });
  assert.deepEqual(chosen(selection), [13, 14, 15, 16]);
  selection.moveBy(-4, { extend: true });
  assert.deepEqual(chosen(selection), [12, 13]);
  selection.moveBy(1);
  assert.deepEqual(chosen(selection), []);
});

test('Clicks choose one, a range with Shift, and one more or less with Ctrl', () => {
  const selection = make();
  selection.click(2);
  assert.deepEqual(chosen(selection), [12]);
  selection.click(5, { shift: true });
  assert.deepEqual(chosen(selection), [12, 13, 14, 15]);
  selection.click(4, { ctrl: true });
  assert.deepEqual(chosen(selection), [12, 13, 15]);
  selection.click(8, { ctrl: true });
  selection.click(9, { shift: true, ctrl: true });
  assert.deepEqual(chosen(selection), [12, 13, 15, 18, 19]);
  assert.deepEqual(selection.targets(), [12, 13, 15, 18, 19]);
  selection.click(0);
  assert.deepEqual(chosen(selection), [10]);
});

test('Without a choice, commands are for the picture with the focus', () => {
  const selection = make();
  selection.moveTo(4);
  assert.deepEqual(selection.targets(), [14]);
  selection.chooseAll();
  assert.equal(selection.targets().length, 10);
  selection.clear();
  assert.deepEqual(selection.targets(), [14]);
});

test('What another view does not show is no longer chosen, and targets follow its order', () => {
  const selection = make();
  selection.chooseAll();
  selection.show([19, 12, 15]);
  assert.deepEqual(selection.targets(), [19, 12, 15]);
});

test('The focus stays at its row, or else at its place', () => {
  const selection = make();
  selection.moveTo(5);
  selection.show([19, 15, 10]);
  assert.equal(selection.focus, 15);
  selection.show([19, 10]);
  assert.equal(selection.focus, 10);
  selection.show([]);
  assert.equal(selection.focus, -1);
  assert.deepEqual(selection.targets(), []);
  selection.moveBy(1);
  assert.equal(selection.focus, -1);
  selection.show([11]);
  assert.equal(selection.focus, 11);
});
