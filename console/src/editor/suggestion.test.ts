import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionToAsk } from './ask_suggestion.ts';
import { Plane } from './plane.ts';
import { Suggestion } from './suggestion.ts';

/** Bilinear between the centres of the cells, from its definition. */
function valueAt(values: Uint8Array, cells: number, lines: number, u: number, v: number): number {
  const clamp = (t: number, count: number) => Math.min(count - 1, Math.max(0, t));
  let sum = 0;
  for (let y = 0; y < lines; ++y)
    for (let x = 0; x < cells; ++x) sum += values[y * cells + x]! * Math.max(0, 1 - Math.abs(clamp(u, cells) - x)) * Math.max(0, 1 - Math.abs(clamp(v, lines) - y));
  return sum;
}

test('An accepted suggestion marks what the enlarged map has at or above the threshold, on background only, as one step', () => {
  const cells = 7;
  const lines = 5;
  let state = 9;
  const values = Uint8Array.from({ length: cells * lines }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24);
  const plane = new Plane(90, 61);
  plane.touch({ x0: 0, y0: 0, x1: 20, y1: 20 });
  for (let y = 0; y < 20; ++y) plane.data.fill(3, y * 90, y * 90 + 20);
  plane.commit();
  const suggestion = new Suggestion({ width: cells, height: lines, values }, 120, plane);
  assert.equal(suggestion.accept(plane, 2), true);
  for (let y = 0; y < 61; ++y)
    for (let x = 0; x < 90; ++x) {
      const value = valueAt(values, cells, lines, ((x + 0.5) * cells) / 90 - 0.5, ((y + 0.5) * lines) / 61 - 0.5);
      if (Math.abs(value - 120) < 0.01) continue;
      assert.equal(plane.data[y * 90 + x], x < 20 && y < 20 ? 3 : value >= 120 ? 2 : 0, `${x}, ${y}`);
    }
  plane.undo();
  assert.equal(plane.data.includes(2), false);
});

test('The threshold stays between 1 and 255, and a map of one cell is no trap', () => {
  const suggestion = new Suggestion({ width: 1, height: 1, values: Uint8Array.of(200) }, 300, { width: 8, height: 8 });
  assert.equal(suggestion.threshold, 255);
  assert.equal(suggestion.move(5), false);
  assert.equal(suggestion.move(-400), true);
  assert.equal(suggestion.threshold, 1);
  const plane = new Plane(8, 8);
  suggestion.accept(plane, 1);
  assert.ok(plane.data.every((v) => v === 1));
});

test('The newest model in service is asked, and without one the newest trained model', () => {
  const models = [
    { ModelVersion: '9', Status: 'TRAINED' },
    { ModelVersion: '10', Status: 'TRAINED' },
    { ModelVersion: '11', Status: 'TRAINING_FAILED' },
    { ModelVersion: '2', Status: 'HOSTED' },
    { ModelVersion: '3', Status: 'HOSTED' },
  ] as const;
  assert.equal(versionToAsk(models), '3');
  assert.equal(versionToAsk(models.slice(0, 3)), '10');
  assert.equal(versionToAsk([models[2]]), undefined);
  assert.equal(versionToAsk([]), undefined);
});
