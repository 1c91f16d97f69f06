import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillAt, fillHoles, fillInside } from './flood.ts';
import { kTile, Plane } from './plane.ts';
import { paintCapsule, paintPolygon } from './shapes.ts';
import { fillStroke } from './strokes.ts';
import { lastLevel, levelSize, View } from './view.ts';

/** A plane of rows such as '..1.'; a dot is background. */
function planeOf(...rows: string[]): Plane {
  const plane = new Plane(rows[0]!.length, rows.length);
  rows.forEach((row, y) => [...row].forEach((c, x) => (plane.data[y * plane.width + x] = c === '.' ? 0 : Number(c))));
  return plane;
}
const show = (plane: Plane) => Array.from({ length: plane.height }, (_, y) => Array.from(plane.data.subarray(y * plane.width, (y + 1) * plane.width), (v) => v || '.').join(''));

/** Numbers that look random, and are the same in every run. */
function numbers(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('Undo and redo go back and forth through every step exactly', () => {
  const plane = new Plane(200, 150);
  const next = numbers(7);
  const states = [plane.data.slice()];
  for (let i = 0; i < 30; ++i) {
    paintCapsule(plane, { x: next(220) - 10, y: next(170) - 10 }, { x: next(220) - 10, y: next(170) - 10 }, next(30), 1 + next(4));
    plane.commit();
    states.push(plane.data.slice());
  }
  for (let round = 0; round < 2; ++round) {
    for (let i = states.length - 2; i >= 0; --i) {
      if (!states[i + 1]!.every((v, k) => v === states[i]![k])) assert.equal(plane.undo(), true);
      assert.deepEqual(plane.data, states[i]);
    }
    assert.equal(plane.canUndo, false);
    while (plane.redo());
    assert.deepEqual(plane.data, states.at(-1));
  }
});

test('A brush has only those tiles drawn again that it does not cover already', () => {
  const plane = new Plane(1024, 1024);
  paintCapsule(plane, { x: 512, y: 512 }, { x: 512, y: 512 }, 300, 1);
  const first = plane.takeDirty().size;
  paintCapsule(plane, { x: 512, y: 512 }, { x: 516, y: 512 }, 300, 1);
  const second = plane.takeDirty();
  assert.ok(second.size < first / 2, `${second.size} of ${first}`);
  // The middle is covered, and the rim is not.
  assert.equal(second.has(8 * plane.columns + 8), false);
  assert.equal(second.has(8 * plane.columns + Math.floor(815 / kTile)), true);
  plane.commit();
  plane.undo();
  assert.equal(plane.isEmpty, true);
});

test('A step that changes nothing is none, a new step ends redo, and a cancelled one leaves no trace', () => {
  const plane = new Plane(100, 100);
  plane.touch({ x0: 0, y0: 0, x1: 100, y1: 100 });
  assert.equal(plane.commit(), false);
  paintCapsule(plane, { x: 10, y: 10 }, { x: 10, y: 10 }, 5, 1);
  assert.equal(plane.commit(), true);
  const kept = plane.data.slice();
  paintCapsule(plane, { x: 70, y: 70 }, { x: 80, y: 70 }, 5, 2);
  plane.cancel();
  assert.deepEqual(plane.data, kept);
  plane.undo();
  assert.equal(plane.canRedo, true);
  paintCapsule(plane, { x: 50, y: 50 }, { x: 50, y: 50 }, 5, 2);
  plane.commit();
  assert.equal(plane.canRedo, false);
});

test('Dirty tiles are those that were written, once', () => {
  const plane = new Plane(200, 200);
  paintCapsule(plane, { x: 70, y: 10 }, { x: 70, y: 10 }, 4, 1);
  assert.deepEqual([...plane.takeDirty()], [1]);
  assert.equal(plane.takeDirty().size, 0);
  plane.commit();
  plane.undo();
  assert.deepEqual([...plane.takeDirty()], [1]);
});

test('A brush paints exactly the centres within its radius of its line', () => {
  const next = numbers(3);
  for (let round = 0; round < 40; ++round) {
    const plane = new Plane(60, 50);
    const a = { x: next(600) / 10, y: next(500) / 10 };
    const b = { x: next(600) / 10, y: next(500) / 10 };
    const radius = 1 + next(100) / 10;
    paintCapsule(plane, a, b, radius, 3);
    for (let y = 0; y < 50; ++y)
      for (let x = 0; x < 60; ++x) {
        const length = (b.x - a.x) ** 2 + (b.y - a.y) ** 2;
        const along = length ? Math.min(1, Math.max(0, ((x + 0.5 - a.x) * (b.x - a.x) + (y + 0.5 - a.y) * (b.y - a.y)) / length)) : 0;
        const distance = Math.hypot(x + 0.5 - a.x - along * (b.x - a.x), y + 0.5 - a.y - along * (b.y - a.y));
        if (Math.abs(distance - radius) > 1e-6) assert.equal(plane.data[y * 60 + x], distance < radius ? 3 : 0, `round ${round}, pixel ${x}, ${y}`);
      }
  }
});

test('The smallest brush paints the pixel under it', () => {
  const plane = planeOf('...', '...');
  paintCapsule(plane, { x: 1.9, y: 0.1 }, { x: 1.9, y: 0.1 }, 0.5, 1);
  assert.deepEqual(show(plane), ['.1.', '...']);
});

test('A polygon covers its inside and its outline, also where it folds over itself', () => {
  const square = new Plane(6, 6);
  paintPolygon(square, [{ x: 1.5, y: 1.5 }, { x: 4.5, y: 1.5 }, { x: 4.5, y: 4.5 }, { x: 1.5, y: 4.5 }], 1);
  assert.deepEqual(show(square), ['......', '.1111.', '.1111.', '.1111.', '.1111.', '......']);
  const next = numbers(11);
  for (let round = 0; round < 20; ++round) {
    const plane = new Plane(40, 40);
    const points = Array.from({ length: 3 + next(5) }, () => ({ x: next(400) / 10, y: next(400) / 10 }));
    paintPolygon(plane, points, 1);
    for (let y = 0; y < 40; ++y)
      for (let x = 0; x < 40; ++x) {
        // The winding number by the sum of the angles, which shares nothing with the filling.
        let angle = 0;
        points.forEach((p, i) => {
          const q = points[(i + 1) % points.length]!;
          let turn = Math.atan2(q.y - y - 0.5, q.x - x - 0.5) - Math.atan2(p.y - y - 0.5, p.x - x - 0.5);
          if (turn > Math.PI) turn -= 2 * Math.PI;
          if (turn < -Math.PI) turn += 2 * Math.PI;
          angle += turn;
        });
        const toOutline = Math.min(
          ...points.map((p, i) => {
            const q = points[(i + 1) % points.length]!;
            const length = (q.x - p.x) ** 2 + (q.y - p.y) ** 2;
            const along = length ? Math.min(1, Math.max(0, ((x + 0.5 - p.x) * (q.x - p.x) + (y + 0.5 - p.y) * (q.y - p.y)) / length)) : 0;
            return Math.hypot(x + 0.5 - p.x - along * (q.x - p.x), y + 0.5 - p.y - along * (q.y - p.y));
          }),
        );
        if (Math.abs(angle) > 3) assert.equal(plane.data[y * 40 + x], 1, `round ${round}, pixel ${x}, ${y}`);
        else if (toOutline > 0.71) assert.equal(plane.data[y * 40 + x], 0, `round ${round}, pixel ${x}, ${y}`);
      }
  }
});

test('A fill takes the connected pixels of one label, and not the background around everything', () => {
  const plane = planeOf('.111.', '.1.1.', '.111.', '..1..');
  assert.equal(fillAt(plane, 2, 1, 2), true);
  assert.deepEqual(show(plane), ['.111.', '.121.', '.111.', '..1..']);
  assert.equal(fillAt(plane, 1, 0, 3), true);
  assert.deepEqual(show(plane), ['.333.', '.323.', '.333.', '..3..']);
  const open = planeOf('.....', '.111.', '.1.1.', '.1.1.', '.....');
  assert.equal(fillAt(open, 2, 2, 2), false);
  assert.deepEqual(show(open), ['.....', '.111.', '.1.1.', '.1.1.', '.....']);
});

test('A fill agrees with a slow one on random planes', () => {
  const next = numbers(5);
  for (let round = 0; round < 20; ++round) {
    const plane = new Plane(30, 20);
    for (let i = 0; i < plane.data.length; ++i) plane.data[i] = 1 + next(2);
    const x = next(30);
    const y = next(20);
    const expected = plane.data.slice();
    const value = expected[y * 30 + x]!;
    const reach = (px: number, py: number) => {
      if (px < 0 || py < 0 || px >= 30 || py >= 20 || expected[py * 30 + px] !== value) return;
      expected[py * 30 + px] = 3;
      reach(px + 1, py);
      reach(px - 1, py);
      reach(px, py + 1);
      reach(px, py - 1);
    };
    reach(x, y);
    fillAt(plane, x, y, 3);
    assert.deepEqual(plane.data, expected);
  }
});

test('Holes of one label are filled up to a size, others stay', () => {
  const plane = planeOf('11111.', '1.1.1.', '111.1.', '11111.', '222...', '2.1...', '222...');
  assert.equal(fillHoles(plane, 1), 1);
  assert.deepEqual(show(plane), ['11111.', '111.1.', '111.1.', '11111.', '222...', '2.1...', '222...']);
  assert.equal(fillHoles(plane, 10), 1);
  assert.deepEqual(show(plane), ['11111.', '11111.', '11111.', '11111.', '222...', '2.1...', '222...']);
});

test('A closed stroke fills its inside, an open one does not', () => {
  const stroke = (rows: string[]) => Uint8Array.from(rows.join(''), (c) => Number(c === '1'));
  const closed = ['.111.', '1...1', '1...1', '.111.'];
  const plane = new Plane(7, 6);
  fillInside(plane, stroke(closed), { x0: 1, y0: 1, x1: 6, y1: 5 }, 4);
  assert.deepEqual(show(plane), ['.......', '.......', '..444..', '..444..', '.......', '.......']);
  const open = new Plane(5, 4);
  fillInside(open, stroke(['.111.', '1...1', '1....', '.111.']), { x0: 0, y0: 0, x1: 5, y1: 4 }, 4);
  assert.ok(open.data.every((v) => v === 0));
});

test('A stroke that goes around fills its inside, a half one does not, and neither does one outside the picture', () => {
  const around = (share: number, x: number) => Array.from({ length: 41 }, (_, i) => ({ x: x + 20 * Math.cos((share * i * Math.PI) / 20), y: 30 + 20 * Math.sin((share * i * Math.PI) / 20) }));
  const plane = new Plane(100, 60);
  fillStroke(plane, around(1, 50), 2, 1);
  assert.equal(plane.data[30 * 100 + 50], 1);
  assert.equal(plane.data[30 * 100 + 75], 0);
  const half = new Plane(100, 60);
  fillStroke(half, around(0.5, 50), 2, 1);
  assert.ok(half.isEmpty);
  const outside = new Plane(100, 60);
  fillStroke(outside, around(1, -200), 2, 1);
  assert.ok(outside.isEmpty);
});

test('Zooming keeps the point under the pointer, and fitting shows the whole picture', () => {
  const view = new View({ width: 4096, height: 3072 }, { width: 1000, height: 700 });
  const corner = view.toScreen({ x: 4096, y: 3072 });
  assert.ok(view.x >= 0 && view.y >= 0 && corner.x <= 1000 && corner.y <= 700);
  assert.equal(view.level, 2);
  const at = { x: 400, y: 300 };
  const before = view.toPicture(at);
  view.zoomAt(at, 8);
  const after = view.toPicture(at);
  assert.ok(Math.abs(before.x - after.x) < 1 && Math.abs(before.y - after.y) < 1);
  assert.equal(view.level, 0);
  for (const { column, row } of view.visibleTiles(0)) {
    const rect = view.screenRect(view.tileRect(0, column, row));
    assert.ok(rect.x1 > 0 && rect.y1 > 0 && rect.x0 < 1000 && rect.y0 < 700);
  }
  view.pan(1e6, -1e6);
  assert.ok(view.visibleTiles(0).length > 0, 'a part of the picture stays on the screen');
});

test('The coarsest level fits into one tile', () => {
  assert.equal(lastLevel({ width: 4096, height: 3072 }), 3);
  assert.equal(lastLevel({ width: 64, height: 64 }), 0);
  assert.deepEqual(levelSize({ width: 1001, height: 513 }, 1), { width: 501, height: 257 });
});
