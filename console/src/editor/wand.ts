// The wand: marks what looks like the clicked place, as far as it is connected. How alike is measured by the contrast around
// the place, so that the same tolerance works on a faint stain and on a bright scratch.
import { flood } from './flood.ts';
import type { Pixels } from './pixels.ts';
import type { Rect } from './plane.ts';

/** Contrast is measured within this many pixels of the place. */
const kNeighbourhood = 32;
/** At most this many pixels are marked, so that a slip of the pointer does not stop the page. */
const kMostPixels = 6_000_000;

export interface Region {
  rect: Rect;
  /** 1 where marked, [rows, columns] of the rectangle. */
  bits: Uint8Array<ArrayBuffer>;
  size: number;
}

/** `tolerance` is 0 … 1, a share of the contrast. Null outside the picture. */
export function wand(pixels: Pixels, x: number, y: number, tolerance: number): Region | null {
  const { width, height, data } = pixels;
  if (x < 0 || y < 0 || x >= width || y >= height) return null;
  const seed = meanAround(pixels, x, y);
  const limit = Math.max(1, tolerance * contrastAround(pixels, x, y));
  const taken = new Uint8Array(width * height);
  const accepts = (i: number) =>
    taken[i] === 0 && Math.abs(data[4 * i]! - seed[0]) <= limit && Math.abs(data[4 * i + 1]! - seed[1]) <= limit && Math.abs(data[4 * i + 2]! - seed[2]) <= limit;
  const rect: Rect = { x0: x, y0: y, x1: x + 1, y1: y + 1 };
  let size = 0;
  // The place itself always belongs to the area, even if it differs from the mean around it.
  taken[y * width + x] = 1;
  const take = (from: number, end: number) => {
    taken.fill(1, from, end);
    size += end - from;
    const row = Math.floor(from / width);
    rect.x0 = Math.min(rect.x0, from - row * width);
    rect.x1 = Math.max(rect.x1, end - row * width);
    rect.y0 = Math.min(rect.y0, row);
    rect.y1 = Math.max(rect.y1, row + 1);
  };
  const bounded = (i: number) => size < kMostPixels && accepts(i);
  for (const [nx, ny] of [[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]] as const)
    if (nx >= 0 && ny >= 0 && nx < width && ny < height) flood(width, height, ny * width + nx, bounded, take);
  const columns = rect.x1 - rect.x0;
  const bits = new Uint8Array(columns * (rect.y1 - rect.y0));
  for (let row = rect.y0; row < rect.y1; ++row) bits.set(taken.subarray(row * width + rect.x0, row * width + rect.x1), (row - rect.y0) * columns);
  return { rect, bits, size: size + 1 };
}

function meanAround({ width, height, data }: Pixels, x: number, y: number): [number, number, number] {
  const sums: [number, number, number] = [0, 0, 0];
  let count = 0;
  for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); ++v)
    for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); ++u, ++count) for (let c = 0; c < 3; ++c) sums[c] = sums[c]! + data[4 * (v * width + u) + c]!;
  return [sums[0] / count, sums[1] / count, sums[2] / count];
}

/** The distance between the darkest and the brightest twentieth around a place. */
function contrastAround({ width, height, data }: Pixels, x: number, y: number): number {
  const counts = new Uint32Array(256);
  let total = 0;
  for (let v = Math.max(0, y - kNeighbourhood); v <= Math.min(height - 1, y + kNeighbourhood); ++v)
    for (let u = Math.max(0, x - kNeighbourhood); u <= Math.min(width - 1, x + kNeighbourhood); ++u, ++total) {
      const p = 4 * (v * width + u);
      const i = (77 * data[p]! + 150 * data[p + 1]! + 29 * data[p + 2]!) >> 8;
      counts[i] = counts[i]! + 1;
    }
  const quantile = (share: number) => {
    let sum = 0;
    for (let i = 0; i < 256; ++i) if ((sum += counts[i]!) >= share * total) return i;
    return 255;
  };
  return quantile(0.95) - quantile(0.05);
}
