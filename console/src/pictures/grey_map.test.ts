import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heatColours, hottestOf, type GreyMap } from './grey_map.ts';

const map = (width: number, values: number[]): GreyMap => ({ width, height: values.length / width, values: Uint8Array.from(values) });

test('The hottest place is the middle of its cell', () => {
  assert.deepEqual(hottestOf(map(4, [1, 2, 3, 4, 5, 6, 200, 8])), { x: 2.5 / 4, y: 1.5 / 2 });
  assert.deepEqual(hottestOf(map(2, [9, 9, 9, 9])), { x: 0.25, y: 0.25 });
});

test('Colours begin half-way to the threshold and go from yellow to red', () => {
  const colours = heatColours(map(5, [0, 64, 128, 192, 255]), 128);
  const of = (i: number) => [...colours.subarray(4 * i, 4 * i + 4)];
  assert.equal(of(0)[3], 0);
  assert.equal(of(1)[3], 0);
  const [threshold, above, most] = [of(2), of(3), of(4)];
  assert.ok(threshold[3]! > 100 && above[3]! > threshold[3]!);
  assert.ok(threshold[1]! > above[1]! && above[1]! > most[1]!, 'green goes');
  assert.equal(most[0], 255);
  assert.equal(most[2], 0);
});
