// What tools do to a plane after the pointer is up.
import { fillInside } from './flood.ts';
import { Plane } from './plane.ts';
import { paintCapsule, type Point } from './shapes.ts';
import type { Region } from './wand.ts';

/** Fills what a stroke went around: the stroke is painted once more, on a plane of its own. */
export function fillStroke(plane: Plane, points: readonly Point[], radius: number, value: number): void {
  const reach = radius + 2;
  const box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  for (const { x, y } of points) {
    box.x0 = Math.min(box.x0, x - reach);
    box.y0 = Math.min(box.y0, y - reach);
    box.x1 = Math.max(box.x1, x + reach);
    box.y1 = Math.max(box.y1, y + reach);
  }
  const rect = plane.clip(box);
  if (rect.x1 - rect.x0 < 3 || rect.y1 - rect.y0 < 3) return;
  const stroke = new Plane(rect.x1 - rect.x0, rect.y1 - rect.y0);
  const moved = points.map(({ x, y }) => ({ x: x - rect.x0, y: y - rect.y0 }));
  moved.forEach((p, i) => paintCapsule(stroke, moved[Math.max(0, i - 1)]!, p, radius, 1));
  fillInside(plane, stroke.data, rect, value);
}

/** Gives the pixels of a region a label. */
export function paintRegion(plane: Plane, { rect, bits }: Region, value: number): void {
  plane.touch(rect);
  const columns = rect.x1 - rect.x0;
  for (let y = rect.y0; y < rect.y1; ++y)
    for (let x = rect.x0; x < rect.x1; ++x) if (bits[(y - rect.y0) * columns + x - rect.x0]) plane.data[y * plane.width + x] = value;
}
