// Draws on a plane. Pixel (x, y) covers x … x + 1 and y … y + 1, so that its centre lies at (x + ½, y + ½).
import type { Plane } from './plane.ts';

export interface Point {
  x: number;
  y: number;
}

/** Fills the part x0 … x1 of a row, given in picture coordinates: the pixels whose centres lie in it. */
function span(plane: Plane, y: number, x0: number, x1: number, value: number) {
  const from = Math.max(0, Math.ceil(x0 - 0.5));
  const end = Math.min(plane.width, Math.floor(x1 - 0.5) + 1);
  if (from < end) plane.data.fill(value, y * plane.width + from, y * plane.width + end);
}

/** Paints a round brush that moves along a line: the pixels whose centres are at most `radius` away from the line; always at least the pixel under each end. */
export function paintCapsule(plane: Plane, a: Point, b: Point, radius: number, value: number): void {
  const reach = Math.max(radius, 1);
  const rect = plane.clip({ x0: Math.min(a.x, b.x) - reach, y0: Math.min(a.y, b.y) - reach, x1: Math.max(a.x, b.x) + reach, y1: Math.max(a.y, b.y) + reach });
  plane.touch(rect, value);
  if (radius <= 0.75) {
    paintLine(plane, a, b, value);
    return;
  }
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy);
  for (let y = rect.y0; y < rect.y1; ++y) {
    const cy = y + 0.5;
    let from = Infinity;
    let end = -Infinity;
    for (const { x, y: y0 } of [a, b]) {
      const half = radius * radius - (cy - y0) * (cy - y0);
      if (half < 0) continue;
      from = Math.min(from, x - Math.sqrt(half));
      end = Math.max(end, x + Math.sqrt(half));
    }
    if (length > 0) {
      // The rectangle between the discs: where the row crosses its four sides.
      const nx = (-dy / length) * radius;
      const ny = (dx / length) * radius;
      const corners: Point[] = [{ x: a.x + nx, y: a.y + ny }, { x: b.x + nx, y: b.y + ny }, { x: b.x - nx, y: b.y - ny }, { x: a.x - nx, y: a.y - ny }];
      for (let i = 0; i < 4; ++i) {
        const p = corners[i]!;
        const q = corners[(i + 1) % 4]!;
        if ((p.y <= cy) === (q.y <= cy)) continue;
        const x = p.x + ((cy - p.y) / (q.y - p.y)) * (q.x - p.x);
        from = Math.min(from, x);
        end = Math.max(end, x);
      }
    }
    if (from <= end) span(plane, y, from, end, value);
  }
}

/** Paints the pixels under a line, one wide. */
export function paintLine(plane: Plane, a: Point, b: Point, value: number): void {
  plane.touch({ x0: Math.min(a.x, b.x) - 1, y0: Math.min(a.y, b.y) - 1, x1: Math.max(a.x, b.x) + 1, y1: Math.max(a.y, b.y) + 1 });
  const steps = Math.max(1, Math.ceil(Math.max(Math.abs(b.x - a.x), Math.abs(b.y - a.y))));
  for (let i = 0; i <= steps; ++i) {
    const x = Math.floor(a.x + ((b.x - a.x) * i) / steps);
    const y = Math.floor(a.y + ((b.y - a.y) * i) / steps);
    if (x >= 0 && y >= 0 && x < plane.width && y < plane.height) plane.data[y * plane.width + x] = value;
  }
}

/** Fills a polygon with the nonzero rule, and the pixels under its outline. */
export function paintPolygon(plane: Plane, points: readonly Point[], value: number): void {
  if (points.length === 0) return;
  const top = Math.max(0, Math.floor(Math.min(...points.map((p) => p.y))));
  const bottom = Math.min(plane.height, Math.ceil(Math.max(...points.map((p) => p.y))) + 1);
  plane.touch({ x0: Math.min(...points.map((p) => p.x)) - 1, y0: top, x1: Math.max(...points.map((p) => p.x)) + 1, y1: bottom });
  // Each row's crossings, so that long outlines of a live-wire are gone through once.
  const crossings: { x: number; direction: number }[][] = Array.from({ length: Math.max(0, bottom - top) }, () => []);
  points.forEach((p, i) => {
    const q = points[(i + 1) % points.length]!;
    const low = p.y < q.y ? p : q;
    const high = p.y < q.y ? q : p;
    for (let y = Math.max(top, Math.ceil(low.y - 0.5)); y < bottom && y + 0.5 < high.y; ++y)
      crossings[y - top]!.push({ x: low.x + ((y + 0.5 - low.y) / (high.y - low.y)) * (high.x - low.x), direction: p === low ? 1 : -1 });
    paintLine(plane, p, q, value);
  });
  crossings.forEach((row, i) => {
    row.sort((a, b) => a.x - b.x);
    let winding = 0;
    row.forEach(({ x, direction }, k) => {
      if (winding !== 0) span(plane, top + i, row[k - 1]!.x, x, value);
      winding += direction;
    });
  });
}
