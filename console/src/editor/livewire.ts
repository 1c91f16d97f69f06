// The live-wire: the cheapest path between two places, where strong edges are cheap.
//   Mortensen & Barrett, Intelligent Scissors for Image Composition, SIGGRAPH 1995
// The search (Dijkstra) spreads from the anchor until it has reached the pointer, and goes on from there when the pointer
// moves. It is bounded by a window around the anchor; beyond it the wire is straight.
import type { Size } from './view.ts';
import type { Point } from './shapes.ts';

/** The half side of the window around the anchor, in pixels of the level that the wire runs on. */
export const kReach = 512;
/** The cost of a step of length 1 on a flat area; on the strongest edge it is 1. */
const kFlat = 48;
const kBuckets = 128; // More than the largest cost of one step, 1.41 · kFlat.

/** The magnitude of the gradient (Sobel) of each pixel, as a cost 1 … kFlat. It is relative to the strongest tenth of a percent, so that faint edges of a faint picture count. */
export function edgeCosts(grey: Uint8Array, { width, height }: Size): Uint8Array {
  const strength = new Uint16Array(grey.length);
  const counts = new Uint32Array(2048);
  for (let y = 0; y < height; ++y) {
    const up = Math.max(0, y - 1) * width;
    const row = y * width;
    const down = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; ++x) {
      const l = Math.max(0, x - 1);
      const r = Math.min(width - 1, x + 1);
      const gx = grey[up + r]! + 2 * grey[row + r]! + grey[down + r]! - grey[up + l]! - 2 * grey[row + l]! - grey[down + l]!;
      const gy = grey[down + l]! + 2 * grey[down + x]! + grey[down + r]! - grey[up + l]! - 2 * grey[up + x]! - grey[up + r]!;
      const g = Math.min(2047, Math.abs(gx) + Math.abs(gy));
      strength[row + x] = g;
      counts[g] = counts[g]! + 1;
    }
  }
  let strongest = 2047;
  for (let left = grey.length / 1000; strongest > 16 && (left -= counts[strongest]!) > 0; ) --strongest;
  const table = Uint8Array.from({ length: 2048 }, (_, g) => Math.max(1, Math.round(kFlat * (1 - Math.sqrt(Math.min(1, g / strongest))))));
  const costs = new Uint8Array(grey.length);
  for (let i = 0; i < costs.length; ++i) costs[i] = table[strength[i]!]!;
  return costs;
}

export class LiveWire {
  private readonly x0: number;
  private readonly y0: number;
  private readonly columns: number;
  private readonly rows: number;
  private readonly cost: Uint32Array;
  private readonly from: Int8Array;
  private readonly settled: Uint8Array;
  /** A queue by cost: bucket c mod kBuckets holds the pixels of cost c (Dial 1969). */
  private readonly buckets: number[][] = Array.from({ length: kBuckets }, () => []);
  private current = 0;
  private waiting = 0;

  /** Starts at a pixel of the level. `costs` are those of edgeCosts(). */
  constructor(
    private readonly costs: Uint8Array,
    private readonly size: Size,
    private readonly anchor: Point,
  ) {
    const ax = Math.min(size.width - 1, Math.max(0, Math.floor(anchor.x)));
    const ay = Math.min(size.height - 1, Math.max(0, Math.floor(anchor.y)));
    this.x0 = Math.max(0, ax - kReach);
    this.y0 = Math.max(0, ay - kReach);
    this.columns = Math.min(size.width, ax + kReach + 1) - this.x0;
    this.rows = Math.min(size.height, ay + kReach + 1) - this.y0;
    this.cost = new Uint32Array(this.columns * this.rows).fill(0xffffffff);
    this.from = new Int8Array(this.columns * this.rows).fill(-1);
    this.settled = new Uint8Array(this.columns * this.rows);
    const start = (ay - this.y0) * this.columns + ax - this.x0;
    this.cost[start] = 0;
    this.push(start, 0);
  }

  private push(i: number, cost: number) {
    this.buckets[cost % kBuckets]!.push(i);
    ++this.waiting;
  }

  /** Spreads until a pixel is settled. */
  private reach(target: number) {
    while (!this.settled[target] && this.waiting > 0) {
      const bucket = this.buckets[this.current % kBuckets]!;
      const i = bucket.pop();
      if (i === undefined) {
        ++this.current;
        continue;
      }
      --this.waiting;
      if (this.settled[i] || this.cost[i] !== this.current) continue;
      this.settled[i] = 1;
      const x = i % this.columns;
      const y = Math.floor(i / this.columns);
      for (let direction = 0; direction < 8; ++direction) {
        const nx = x + kDx[direction]!;
        const ny = y + kDy[direction]!;
        if (nx < 0 || ny < 0 || nx >= this.columns || ny >= this.rows) continue;
        const next = ny * this.columns + nx;
        if (this.settled[next]) continue;
        const step = this.costs[(this.y0 + ny) * this.size.width + this.x0 + nx]!;
        const cost = this.current + (direction & 1 ? Math.ceil(step * Math.SQRT2) : step);
        if (cost >= this.cost[next]!) continue;
        this.cost[next] = cost;
        this.from[next] = direction;
        this.push(next, cost);
      }
    }
  }

  /** The wire from the anchor to a place, as centres of pixels; the first is the anchor's, the last the place itself. */
  path(to: Point): Point[] {
    const clamp = (v: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor(v)));
    let i = clamp(to.y - this.y0, this.rows) * this.columns + clamp(to.x - this.x0, this.columns);
    this.reach(i);
    const points: Point[] = [to];
    for (;;) {
      const x = i % this.columns;
      const y = Math.floor(i / this.columns);
      points.push({ x: this.x0 + x + 0.5, y: this.y0 + y + 0.5 });
      const direction = this.from[i]!;
      if (direction < 0) break;
      i -= kDy[direction]! * this.columns + kDx[direction]!;
    }
    points.push(this.anchor);
    return points.reverse();
  }
}

const kDx = [1, 1, 0, -1, -1, -1, 0, 1];
const kDy = [0, 1, 1, 1, 0, -1, -1, -1];
