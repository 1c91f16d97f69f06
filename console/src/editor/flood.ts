// Floods: connected areas of a plane, holes, and the inside of closed strokes.
import type { Plane, Rect } from './plane.ts';

/**
 * Visits the 4-connected area around a start, row part by row part. `accepts(i)` tells whether pixel i belongs to it and must
 * become false when `take(from, end)` has taken the pixels [from, end) of one row.
 */
export function flood(width: number, height: number, start: number, accepts: (i: number) => boolean, take: (from: number, end: number) => void): void {
  const stack = [start];
  while (stack.length > 0) {
    const seed = stack.pop()!;
    if (!accepts(seed)) continue;
    const y = Math.floor(seed / width);
    const row = y * width;
    let from = seed;
    let end = seed + 1;
    while (from > row && accepts(from - 1)) --from;
    while (end < row + width && accepts(end)) ++end;
    take(from, end);
    for (const next of [y > 0 ? -width : 0, y + 1 < height ? width : 0]) {
      if (next === 0) continue;
      let inside = false;
      for (let i = from + next; i < end + next; ++i) {
        const accepted = accepts(i);
        if (accepted && !inside) stack.push(i);
        inside = accepted;
      }
    }
  }
}

/** The pixels of an area and the rectangle around them. */
interface Area {
  spans: number[]; // from, end, from, end …
  rect: Rect;
  size: number;
}

/** The connected area of one value around a pixel, of at most `limit` pixels; null if it is larger. `seen` marks its pixels. */
function areaOf(plane: Plane, start: number, seen: Uint8Array, limit = Infinity): Area | null {
  const { data, width, height } = plane;
  const value = data[start]!;
  const area: Area = { spans: [], rect: { x0: width, y0: height, x1: 0, y1: 0 }, size: 0 };
  flood(width, height, start, (i) => data[i] === value && !seen[i], (from, end) => {
    seen.fill(1, from, end);
    area.size += end - from;
    if (area.size <= limit) area.spans.push(from, end);
    const y = Math.floor(from / width);
    area.rect.x0 = Math.min(area.rect.x0, from - y * width);
    area.rect.x1 = Math.max(area.rect.x1, end - y * width);
    area.rect.y0 = Math.min(area.rect.y0, y);
    area.rect.y1 = Math.max(area.rect.y1, y + 1);
  });
  return area.size <= limit ? area : null;
}

const fillArea = (plane: Plane, area: Area, value: number) => {
  plane.touch(area.rect);
  for (let i = 0; i < area.spans.length; i += 2) plane.data.fill(value, area.spans[i], area.spans[i + 1]);
};

const touchesAllSides = (plane: Plane, { x0, y0, x1, y1 }: Rect) => x0 === 0 && y0 === 0 && x1 === plane.width && y1 === plane.height;

/** Gives the connected area of one label around a pixel another label. Refuses, and returns false, if background that surrounds everything would be filled. */
export function fillAt(plane: Plane, x: number, y: number, value: number): boolean {
  const start = y * plane.width + x;
  if (x < 0 || y < 0 || x >= plane.width || y >= plane.height || plane.data[start] === value) return true;
  const isBackground = plane.data[start] === 0;
  const area = areaOf(plane, start, new Uint8Array(plane.data.length))!;
  if (isBackground && touchesAllSides(plane, area.rect)) return false;
  fillArea(plane, area, value);
  return true;
}

/** Fills the background areas of at most `limit` pixels that one label surrounds. Returns how many there were. */
export function fillHoles(plane: Plane, limit: number): number {
  const { data, width, height } = plane;
  const seen = new Uint8Array(data.length);
  let holes = 0;
  for (let i = 0; i < data.length; ++i) {
    if (data[i] !== 0 || seen[i]) continue;
    const area = areaOf(plane, i, seen, limit);
    if (!area || area.rect.x0 === 0 || area.rect.y0 === 0 || area.rect.x1 === width || area.rect.y1 === height) continue;
    const around = new Set<number>();
    for (let k = 0; k < area.spans.length; k += 2) {
      const from = area.spans[k]!;
      const end = area.spans[k + 1]!;
      around.add(data[from - 1]!).add(data[end]!);
      for (let p = from; p < end; ++p) around.add(data[p - width]!).add(data[p + width]!);
    }
    around.delete(0);
    if (around.size !== 1) continue;
    fillArea(plane, area, [...around][0]!);
    ++holes;
  }
  return holes;
}

/** Fills what a stroke encloses. `stroke` has 1 where the stroke was painted in `rect`, [rows, columns] of the rectangle. */
export function fillInside(plane: Plane, stroke: Uint8Array, rect: Rect, value: number): void {
  const columns = rect.x1 - rect.x0;
  const rows = rect.y1 - rect.y0;
  if (columns < 3 || rows < 3) return;
  // What can be reached from the border of the rectangle without crossing the stroke is outside.
  const outside = new Uint8Array(stroke.length);
  const from = (start: number) => flood(columns, rows, start, (i) => !stroke[i] && !outside[i], (a, b) => outside.fill(1, a, b));
  for (let x = 0; x < columns; ++x) {
    from(x);
    from((rows - 1) * columns + x);
  }
  for (let y = 0; y < rows; ++y) {
    from(y * columns);
    from(y * columns + columns - 1);
  }
  plane.touch(rect);
  for (let y = 0; y < rows; ++y)
    for (let x = 0; x < columns; ++x) if (!outside[y * columns + x] && !stroke[y * columns + x]) plane.data[(rect.y0 + y) * plane.width + rect.x0 + x] = value;
}
