// The mask that a model suggests: its anomaly map, enlarged to the picture and cut at a threshold that the person moves.
import { rgbOf } from '../labels/colours.ts';
import type { GreyMap } from '../pictures/grey_map.ts';
import type { Plane } from './plane.ts';
import type { Size, View } from './view.ts';

/** Where a pixel lies between the cells of a map: pixel centres at half-integers, edges replicated. */
function weights(count: number, cells: number, scale: number, offset: number): { cell: Int32Array; share: Float32Array } {
  const cell = new Int32Array(count);
  const share = new Float32Array(count);
  for (let i = 0; i < count; ++i) {
    const at = Math.min(cells - 1, Math.max(0, (i + 0.5 - offset) * scale - 0.5));
    cell[i] = Math.min(Math.max(0, cells - 2), Math.floor(at));
    share[i] = at - cell[i]!;
  }
  return { cell, share };
}

export class Suggestion {
  /** The grey value from which pixels are marked, 1 … 255. */
  threshold: number;
  /** The map as it lies on the screen, rounded to grey values; made anew when the view changes. */
  private shown: { values: Uint8Array; image: ImageData; view: string } | null = null;

  constructor(
    readonly map: GreyMap,
    threshold: number,
    private readonly picture: Size,
  ) {
    this.threshold = Math.min(255, Math.max(1, Math.round(threshold)));
  }

  /** Moves the threshold. Returns whether it changed. */
  move(by: number): boolean {
    const before = this.threshold;
    this.threshold = Math.min(255, Math.max(1, before + by));
    return this.threshold !== before;
  }

  /** Draws what would be marked, with its contour, on a canvas of the view's screen. */
  draw(context: CanvasRenderingContext2D, view: View, colour: string): void {
    const { width, height } = view.screenSize;
    const key = `${view.x}/${view.y}/${view.scale}/${width}/${height}`;
    if (this.shown?.view !== key) this.shown = { values: this.sample(view), image: new ImageData(width, height), view: key };
    const { values, image } = this.shown;
    const above = new Uint8Array(width);
    // Small integers with a sign keep this loop, which runs for every pixel of the screen, free of floating point.
    const pixels = new Int32Array(image.data.buffer);
    const [r, g, b] = rgbOf(colour);
    const fill = (0x60000000 | (b << 16) | (g << 8) | r) | 0;
    const white = -1;
    const below = this.threshold - 1;
    for (let y = 0, i = 0; y < height; ++y) {
      let left = 0;
      for (let x = 0; x < width; ++x, ++i) {
        const here = (below - values[i]!) >>> 31;
        // A pixel whose left or upper neighbour is on the other side belongs to the contour.
        pixels[i] = here !== left || here !== above[x] ? white : here === 1 ? fill : 0;
        above[x] = here;
        left = here;
      }
    }
    context.putImageData(image, 0, 0);
  }

  /** The map at each pixel of the screen; outside the picture it is 0. */
  private sample(view: View): Uint8Array {
    const { width, height } = view.screenSize;
    const { values, width: cells, height: lines } = this.map;
    const out = new Uint8Array(width * height);
    const across = weights(width, cells, cells / (this.picture.width * view.scale), view.x);
    const down = weights(height, lines, lines / (this.picture.height * view.scale), view.y);
    const from = Math.max(0, Math.floor(view.x));
    const end = Math.min(width, Math.ceil(view.x + this.picture.width * view.scale));
    const right = cells > 1 ? 1 : 0;
    const below = lines > 1 ? cells : 0;
    for (let y = Math.max(0, Math.floor(view.y)); y < Math.min(height, view.y + this.picture.height * view.scale); ++y) {
      const row = down.cell[y]! * cells;
      const v = down.share[y]!;
      for (let x = from; x < end; ++x) {
        const i = row + across.cell[x]!;
        const u = across.share[x]!;
        const top = values[i]! + u * (values[i + right]! - values[i]!);
        const bottom = values[i + below]! + u * (values[i + below + right]! - values[i + below]!);
        out[y * width + x] = top + v * (bottom - top);
      }
    }
    return out;
  }

  /** Marks with a label what lies at or above the threshold and is background. One step of undo; returns whether anything changed. */
  accept(plane: Plane, label: number): boolean {
    const { values, width: cells, height: lines } = this.map;
    const across = weights(plane.width, cells, cells / plane.width, 0);
    const down = weights(plane.height, lines, lines / plane.height, 0);
    const right = cells > 1 ? 1 : 0;
    const below = lines > 1 ? cells : 0;
    const threshold = this.threshold;
    for (let y = 0; y < plane.height; ++y) {
      const row = down.cell[y]! * cells;
      const v = down.share[y]!;
      let first = -1;
      let last = -1;
      const line = y * plane.width;
      const marked = (x: number) => {
        const i = row + across.cell[x]!;
        const u = across.share[x]!;
        const a = values[i]!;
        const b = values[i + right]!;
        const c = values[i + below]!;
        const d = values[i + below + right]!;
        if (a < threshold && b < threshold && c < threshold && d < threshold) return false;
        const top = a + u * (b - a);
        return Math.floor(top + v * (c + u * (d - c) - top)) >= threshold;
      };
      for (let x = 0; x < plane.width; ++x)
        if (plane.data[line + x] === 0 && marked(x)) {
          if (first < 0) first = x;
          last = x;
        }
      if (first < 0) continue;
      plane.touch({ x0: first, y0: y, x1: last + 1, y1: y + 1 });
      for (let x = first; x <= last; ++x) if (plane.data[line + x] === 0 && marked(x)) plane.data[line + x] = label;
    }
    return plane.commit();
  }
}
