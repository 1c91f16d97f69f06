// The engine's light normalisation as a view (src/vision/image/light): each value becomes (x − mean) / (deviation + 0.05)
// over a Gaussian neighbourhood, and is shown as 0.5 + 0.2 of it, as the backbone is fed. The engine works on a reduced
// picture, so mean and deviation are taken at that size; the values stay those of the full picture.
import { halve, type Pixels } from './pixels.ts';

/** The engine's neighbourhood, in pixels of its working size. */
const kSigma = 56;
/** The engine's working size, in pixels. Models of small or faint defects work on more. */
const kWorkingPixels = 640 * 480;
const kFloor = 0.05;
const kShownScale = 0.2;
/** Mean and deviation are taken at every fourth pixel; so smooth a neighbourhood needs no more. */
const kCell = 4;

/** The largest level whose picture is not smaller than the working size, and the neighbourhood in its pixels. */
function atWorkingSize(pixels: Pixels): { level: Pixels; factor: number; sigma: number } {
  let level = pixels;
  let factor = 1;
  while (level.width * level.height >= 4 * kWorkingPixels) {
    level = halve(level);
    factor *= 2;
  }
  const rest = Math.max(1, Math.sqrt((level.width * level.height) / kWorkingPixels));
  return { level, factor, sigma: kSigma * rest };
}

/** Three box filters approximate a Gaussian (Wells, PAMI 1986): the variance of three boxes of radius r is r (r + 1). Edges are replicated. */
export function gaussianBlur(plane: Float32Array, width: number, height: number, sigma: number): void {
  const radius = Math.max(1, Math.round(0.5 * (Math.sqrt(4 * sigma * sigma + 1) - 1)));
  const scratch = new Float32Array(plane.length);
  for (let pass = 0; pass < 3; ++pass) {
    for (let y = 0; y < height; ++y) box(plane, scratch, y * width, width, 1, radius);
    for (let x = 0; x < width; ++x) box(scratch, plane, x, height, width, radius);
  }
}

function box(from: Float32Array, to: Float32Array, start: number, count: number, step: number, radius: number) {
  const at = (i: number) => from[start + Math.min(count - 1, Math.max(0, i)) * step]!;
  let sum = 0;
  for (let i = -radius; i <= radius; ++i) sum += at(i);
  for (let i = 0; i < count; ++i) {
    to[start + i * step] = sum / (2 * radius + 1);
    sum += at(i + radius + 1) - at(i - radius);
  }
}

export function normalizeLight(pixels: Pixels): Pixels {
  const { level, factor, sigma } = atWorkingSize(pixels);
  const columns = Math.ceil(level.width / kCell);
  const rows = Math.ceil(level.height / kCell);
  const out = new Uint8ClampedArray(pixels.data.length);
  for (let i = 3; i < out.length; i += 4) out[i] = 255;
  for (let c = 0; c < 3; ++c) {
    const mean = new Float32Array(columns * rows);
    const square = new Float32Array(columns * rows);
    for (let row = 0; row < rows; ++row)
      for (let column = 0; column < columns; ++column) {
        let sum = 0;
        let squares = 0;
        let count = 0;
        for (let y = row * kCell; y < Math.min(level.height, (row + 1) * kCell); ++y)
          for (let x = column * kCell; x < Math.min(level.width, (column + 1) * kCell); ++x, ++count) {
            const v = level.data[4 * (y * level.width + x) + c]! / 255;
            sum += v;
            squares += v * v;
          }
        mean[row * columns + column] = sum / count;
        square[row * columns + column] = squares / count;
      }
    gaussianBlur(mean, columns, rows, sigma / kCell);
    gaussianBlur(square, columns, rows, sigma / kCell);
    const gain = square.map((v, i) => 1 / (Math.sqrt(Math.max(0, v - mean[i]! * mean[i]!)) + kFloor));
    apply(pixels, c, mean, gain, columns, rows, kCell * factor, out);
  }
  return { width: pixels.width, height: pixels.height, data: out };
}

/** Mean and gain are bilinear between the centres of the cells. */
function apply(pixels: Pixels, c: number, mean: Float32Array, gain: Float32Array, columns: number, rows: number, cell: number, out: Uint8ClampedArray) {
  const { width, height, data } = pixels;
  const meanRow = new Float32Array(columns);
  const gainRow = new Float32Array(columns);
  const left = new Int32Array(width);
  const share = new Float32Array(width);
  for (let x = 0; x < width; ++x) {
    const at = Math.min(columns - 1, Math.max(0, (x + 0.5) / cell - 0.5));
    left[x] = Math.min(Math.max(0, columns - 2), Math.floor(at));
    share[x] = at - left[x]!;
  }
  for (let y = 0; y < height; ++y) {
    const at = Math.min(rows - 1, Math.max(0, (y + 0.5) / cell - 0.5));
    const above = Math.min(Math.max(0, rows - 2), Math.floor(at));
    const down = at - above;
    const below = Math.min(rows - 1, above + 1);
    for (let i = 0; i < columns; ++i) {
      meanRow[i] = mean[above * columns + i]! + down * (mean[below * columns + i]! - mean[above * columns + i]!);
      gainRow[i] = gain[above * columns + i]! + down * (gain[below * columns + i]! - gain[above * columns + i]!);
    }
    for (let x = 0; x < width; ++x) {
      const i = left[x]!;
      const k = i + 1 < columns ? i + 1 : i;
      const m = meanRow[i]! + share[x]! * (meanRow[k]! - meanRow[i]!);
      const g = gainRow[i]! + share[x]! * (gainRow[k]! - gainRow[i]!);
      const p = 4 * (y * width + x) + c;
      out[p] = 255 * (0.5 + kShownScale * (data[p]! / 255 - m) * g);
    }
  }
}
