import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heatColours, hottestOf, type GreyMap } from './grey_map.ts';

const map = (width: number, values: number[]): GreyMap => ({ width, height: values.length / width, values: Uint8Array.from(values) });

test('The hottest place is the middle of its cell', () => {
  assert.deepEqual(hottestOf(map(4, [1, 2, 3, 4, 5, 6, 200, 8])), { x: 2.5 / 4, y: 1.5 / 2 });
  assert.deepEqual(hottestOf(map(2, [9, 9, 9, 9])), { x: 0.25, y: 0.25 });
});

test('Colours begin at the threshold and go from a breath of yellow to red', () => {
  const colours = heatColours(map(6, [0, 64, 112, 128, 160, 224]), 128);
  const of = (i: number) => [...colours.subarray(4 * i, 4 * i + 4)];
  for (const below of [0, 1, 2]) assert.equal(of(below)[3], 0);
  const [threshold, twice, most] = [of(3), of(4), of(5)];
  assert.ok(threshold[3]! > 0 && threshold[3]! < 40, 'what good parts reach is hardly seen');
  assert.ok(twice[3]! > 80 && most[3]! > twice[3]!);
  assert.ok(threshold[1]! > twice[1]! && twice[1]! > most[1]!, 'green goes');
  assert.deepEqual([most[0], most[1], most[2]], [255, 0, 0]);
});
