import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussianBlur, normalizeLight } from './light.ts';
import { edgeCosts, LiveWire } from './livewire.ts';
import { crop, grey, halve, pyramid, type Pixels } from './pixels.ts';
import { wand } from './wand.ts';

function picture(width: number, height: number, at: (x: number, y: number) => number): Pixels {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; ++y) for (let x = 0; x < width; ++x) data.set([at(x, y), at(x, y), at(x, y), 255], 4 * (y * width + x));
  return { width, height, data };
}

test('Levels halve the picture by its means, also at odd sides', () => {
  const half = halve(picture(3, 3, (x, y) => 10 * x + 60 * y));
  assert.deepEqual([half.width, half.height], [2, 2]);
  assert.deepEqual([...half.data].filter((_, i) => i % 4 === 0), [35, 50, 125, 140]);
  assert.deepEqual(pyramid(picture(1100, 600, () => 7)).map(({ width, height }) => [width, height]), [[1100, 600], [550, 300], [275, 150]]);
  const part = crop(picture(10, 8, (x, y) => 16 * y + x), 8, 6, 4);
  assert.deepEqual([part.width, part.height, ...[...part.data].filter((_, i) => i % 4 === 0)], [2, 2, 104, 105, 120, 121]);
});

test('The blur has the variance of its Gaussian and keeps the sum', () => {
  const size = 201;
  const plane = new Float32Array(size * size);
  plane[100 * size + 100] = 1;
  gaussianBlur(plane, size, size, 12);
  let sum = 0;
  let variance = 0;
  for (let y = 0; y < size; ++y) for (let x = 0; x < size; ++x) (sum += plane[y * size + x]!), (variance += plane[y * size + x]! * (x - 100) ** 2);
  assert.ok(Math.abs(sum - 1) < 1e-4);
  assert.ok(Math.abs(Math.sqrt(variance) - 12) < 0.6, `${Math.sqrt(variance)}`);
});

test('Light normalisation takes away gain and offset, and keeps texture', () => {
  const texture = (x: number, y: number) => 20 * Math.sin(x / 3) * Math.cos(y / 4);
  const even = normalizeLight(picture(320, 240, (x, y) => 100 + texture(x, y)));
  const uneven = normalizeLight(picture(320, 240, (x, y) => 60 + x / 4 + texture(x, y)));
  let worst = 0;
  for (let y = 60; y < 180; ++y) for (let x = 100; x < 220; ++x) worst = Math.max(worst, Math.abs(even.data[4 * (y * 320 + x)]! - uneven.data[4 * (y * 320 + x)]!));
  assert.ok(worst < 30, `${worst}`);
  const values = [...even.data].filter((_, i) => i % 4 === 0);
  assert.ok(Math.max(...values) - Math.min(...values) > 60);
  assert.ok(Math.abs(values.reduce((a, b) => a + b) / values.length - 127.5) < 2);
});

test('A single picture value has the value of the formula', () => {
  // Half of the picture is dark and half is bright, in stripes so fine that every neighbourhood holds as much of both.
  const out = normalizeLight(picture(256, 256, (x) => (x % 2 ? 153 : 102)));
  // The mean is 0.5, the deviation 0.1: (0.6 − 0.5) / 0.15 = 2/3, shown as 0.5 + 0.2 · 2/3.
  assert.ok(Math.abs(out.data[4 * (128 * 256 + 129)]! - 255 * (0.5 + 0.4 / 3)) <= 1.5);
});

test('The wand marks the connected area that looks alike, at any contrast', () => {
  for (const [low, high] of [[100, 106], [20, 230]] as const) {
    const disc = (x: number, y: number) => (x - 40) ** 2 + (y - 30) ** 2 <= 100 || (x - 80) ** 2 + (y - 30) ** 2 <= 25;
    const region = wand(picture(100, 60, (x, y) => (disc(x, y) ? high : low)), 40, 30, 0.3)!;
    assert.deepEqual(region.rect, { x0: 30, y0: 20, x1: 51, y1: 41 });
    let size = 0;
    for (let y = 20; y < 41; ++y)
      for (let x = 30; x < 51; ++x) {
        const marked = (x - 40) ** 2 + (y - 30) ** 2 <= 100;
        size += Number(marked);
        assert.equal(region.bits[(y - 20) * 21 + x - 30], Number(marked));
      }
    assert.equal(region.size, size);
  }
  assert.equal(wand(picture(10, 10, () => 1), 10, 3, 0.3), null);
});

test('The live-wire follows an edge around a corner', () => {
  const size = { width: 120, height: 100 };
  const square = picture(size.width, size.height, (x, y) => (x >= 30 && x < 90 && y >= 25 && y < 75 ? 200 : 60));
  const wire = new LiveWire(edgeCosts(grey(square), size), size, { x: 30, y: 60 });
  const path = wire.path({ x: 70, y: 25 });
  assert.deepEqual(path[0], { x: 30, y: 60 });
  assert.deepEqual(path.at(-1), { x: 70, y: 25 });
  for (const { x, y } of path) {
    const toSquare = Math.min(Math.abs(x - 30) + Math.max(0, 25 - y, y - 75), Math.abs(y - 25) + Math.max(0, 30 - x, x - 90));
    assert.ok(toSquare <= 2.5, `${x}, ${y}`);
  }
  // Asked again, and for another place, it goes on from what it knows.
  assert.deepEqual(wire.path({ x: 70, y: 25 }), path);
  assert.ok(wire.path({ x: 88, y: 26 }).length > path.length);
});

test('The live-wire is the cheapest path', () => {
  const size = { width: 24, height: 20 };
  let state = 5;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const costs = Uint8Array.from({ length: size.width * size.height }, () => 1 + Math.floor(48 * random()));
  // Bellman and Ford's slow method finds the costs without a queue.
  const best = new Array<number>(costs.length).fill(Infinity);
  const start = 10 * size.width + 12;
  best[start] = 0;
  for (let changed = true; changed; ) {
    changed = false;
    for (let y = 0; y < size.height; ++y)
      for (let x = 0; x < size.width; ++x)
        for (let v = Math.max(0, y - 1); v <= Math.min(size.height - 1, y + 1); ++v)
          for (let u = Math.max(0, x - 1); u <= Math.min(size.width - 1, x + 1); ++u) {
            const step = costs[y * size.width + x]!;
            const through = best[v * size.width + u]! + (u !== x && v !== y ? Math.ceil(step * Math.SQRT2) : step);
            if (through < best[y * size.width + x]!) (best[y * size.width + x] = through), (changed = true);
          }
  }
  const wire = new LiveWire(costs, size, { x: 12.5, y: 10.5 });
  for (const [x, y] of [[0, 0], [23, 19], [3, 17], [20, 2]] as const) {
    const path = wire.path({ x: x + 0.5, y: y + 0.5 }).slice(1, -1);
    let cost = 0;
    path.slice(1).forEach((p, i) => {
      const step = costs[Math.floor(p.y) * size.width + Math.floor(p.x)]!;
      cost += p.x !== path[i]!.x && p.y !== path[i]!.y ? Math.ceil(step * Math.SQRT2) : step;
    });
    assert.equal(cost, best[y * size.width + x]);
  }
});
