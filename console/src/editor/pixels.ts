// The picture's values, and the same at half the size, a quarter, and so on.
import type { Size } from './view.ts';
import { lastLevel, levelSize } from './view.ts';

/** RGBA, alpha 255, row by row. */
export interface Pixels extends Size {
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** Takes the mean of each 2 × 2 pixels; the last row and column of an odd side stand for themselves. */
export function halve({ width, height, data }: Pixels): Pixels {
  const half = levelSize({ width, height }, 1);
  const out = new Uint8ClampedArray(half.width * half.height * 4);
  for (let y = 0; y < half.height; ++y) {
    const above = 8 * y * width;
    const below = 2 * y + 1 < height ? above + 4 * width : above;
    let to = 4 * y * half.width;
    for (let x = 0; x < half.width; ++x, to += 4) {
      const left = 8 * x;
      const right = 2 * x + 1 < width ? left + 4 : left;
      for (let c = 0; c < 3; ++c) out[to + c] = (data[above + left + c]! + data[above + right + c]! + data[below + left + c]! + data[below + right + c]! + 2) >> 2;
      out[to + 3] = 255;
    }
  }
  return { ...half, data: out };
}

/** All levels, the finest first. */
export function pyramid(pixels: Pixels): Pixels[] {
  const levels = [pixels];
  for (let level = 1; level <= lastLevel(pixels); ++level) levels.push(halve(levels[level - 1]!));
  return levels;
}

/** A rectangle of the pixels. */
export function crop({ width, height, data }: Pixels, x0: number, y0: number, side: number): Pixels {
  const columns = Math.min(side, width - x0);
  const rows = Math.min(side, height - y0);
  const out = new Uint8ClampedArray(columns * rows * 4);
  for (let y = 0; y < rows; ++y) out.set(data.subarray(4 * ((y0 + y) * width + x0), 4 * ((y0 + y) * width + x0 + columns)), 4 * y * columns);
  return { width: columns, height: rows, data: out };
}

/** Brightness 0 … 255 of each pixel (ITU-R BT.601). */
export function grey({ data }: Pixels): Uint8Array {
  const out = new Uint8Array(data.length / 4);
  for (let i = 0; i < out.length; ++i) out[i] = (77 * data[4 * i]! + 150 * data[4 * i + 1]! + 29 * data[4 * i + 2]!) >> 8;
  return out;
}
