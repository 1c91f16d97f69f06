// The mask while it is drawn: one label number per pixel, with undo by tiles. What a picture costs does not depend on how many
// strokes or regions it has.

/** The side of an undo tile, in pixels. */
export const kTile = 64;
/** Steps are forgotten, the oldest first, when all of them together take more bytes than this. */
const kHistoryBytes = 192 << 20;

/** Pixels x0 … x1 − 1, y0 … y1 − 1. */
export interface Rect {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

interface TileChange {
  before: Uint8Array;
  after: Uint8Array;
}
type Step = Map<number, TileChange>;

export class Plane {
  readonly data: Uint8Array<ArrayBuffer>;
  readonly columns: number;
  readonly rows: number;
  /** Tiles that changed since takeDirty(), by number. */
  private dirty = new Set<number>();
  private open: Map<number, Uint8Array> | null = null;
  private done: Step[] = [];
  private undone: Step[] = [];
  private bytes = 0;
  /** Rises with each change that is done, undone or done again. */
  revision = 0;
  /** The revision that is saved; the mask with which the plane was made is. */
  savedRevision = 0;

  constructor(
    readonly width: number,
    readonly height: number,
    data?: Uint8Array<ArrayBuffer>,
  ) {
    if (data && (data.length !== width * height || data.byteOffset !== 0)) throw new Error('The mask does not have the size of its picture.');
    this.data = data ?? new Uint8Array(width * height);
    this.columns = Math.ceil(width / kTile);
    this.rows = Math.ceil(height / kTile);
  }

  get canUndo() {
    return this.done.length > 0;
  }
  get canRedo() {
    return this.undone.length > 0;
  }

  /** Whether nothing is marked. */
  get isEmpty(): boolean {
    const words = new BigUint64Array(this.data.buffer, 0, this.data.length >> 3);
    for (let i = 0; i < words.length; ++i) if (words[i] !== 0n) return false;
    return this.data.subarray(words.length << 3).every((value) => value === 0);
  }

  /** The pixels of a tile. */
  rectOf(tile: number): Rect {
    const x0 = (tile % this.columns) * kTile;
    const y0 = Math.floor(tile / this.columns) * kTile;
    return { x0, y0, x1: Math.min(x0 + kTile, this.width), y1: Math.min(y0 + kTile, this.height) };
  }

  clip({ x0, y0, x1, y1 }: Rect): Rect {
    return { x0: Math.max(0, Math.floor(x0)), y0: Math.max(0, Math.floor(y0)), x1: Math.min(this.width, Math.ceil(x1)), y1: Math.min(this.height, Math.ceil(y1)) };
  }

  /**
   * Must be called before pixels of a rectangle are written: keeps what undo brings back. Without an open step it opens one.
   * With `value`, which must be the only one that is written, tiles that hold nothing else are passed over: a broad brush
   * covers again in each step most of what it has painted before, and need not have that drawn again.
   */
  touch(rect: Rect, value?: number): void {
    const { x0, y0, x1, y1 } = this.clip(rect);
    if (x0 >= x1 || y0 >= y1) return;
    this.open ??= new Map();
    for (let row = Math.floor(y0 / kTile); row * kTile < y1; ++row)
      for (let column = Math.floor(x0 / kTile); column * kTile < x1; ++column) {
        const tile = row * this.columns + column;
        if (value !== undefined && this.holdsOnly(tile, value)) continue;
        this.dirty.add(tile);
        if (!this.open.has(tile)) this.open.set(tile, this.copy(tile));
      }
  }

  /** Ends a step. Returns whether any pixel changed. */
  commit(): boolean {
    const step: Step = new Map();
    for (const [tile, before] of this.open ?? []) {
      const after = this.copy(tile);
      if (!isEqual(before, after)) step.set(tile, { before, after });
    }
    this.open = null;
    if (step.size === 0) return false;
    for (const forgotten of this.undone) this.bytes -= bytesOf(forgotten);
    this.undone = [];
    this.done.push(step);
    this.bytes += bytesOf(step);
    while (this.bytes > kHistoryBytes && this.done.length > 1) this.bytes -= bytesOf(this.done.shift()!);
    ++this.revision;
    return true;
  }

  /** Takes back what an open step did. */
  cancel(): void {
    for (const [tile, before] of this.open ?? []) this.paste(tile, before);
    this.open = null;
  }

  undo(): boolean {
    this.cancel();
    const step = this.done.pop();
    if (!step) return false;
    for (const [tile, { before }] of step) this.paste(tile, before);
    this.undone.push(step);
    ++this.revision;
    return true;
  }

  redo(): boolean {
    this.cancel();
    const step = this.undone.pop();
    if (!step) return false;
    for (const [tile, { after }] of step) this.paste(tile, after);
    this.done.push(step);
    ++this.revision;
    return true;
  }

  /** Replaces all pixels, as one step. */
  replace(data: Uint8Array): boolean {
    this.touch({ x0: 0, y0: 0, x1: this.width, y1: this.height });
    this.data.set(data);
    return this.commit();
  }

  /** The tiles that changed since the last call. */
  takeDirty(): Set<number> {
    const dirty = this.dirty;
    if (dirty.size > 0) this.dirty = new Set();
    return dirty;
  }

  private holdsOnly(tile: number, value: number): boolean {
    const { x0, y0, x1, y1 } = this.rectOf(tile);
    for (let y = y0; y < y1; ++y) {
      const end = y * this.width + x1;
      for (let i = y * this.width + x0; i < end; ++i) if (this.data[i] !== value) return false;
    }
    return true;
  }

  private copy(tile: number): Uint8Array {
    const { x0, y0, x1, y1 } = this.rectOf(tile);
    const out = new Uint8Array((x1 - x0) * (y1 - y0));
    for (let y = y0; y < y1; ++y) out.set(this.data.subarray(y * this.width + x0, y * this.width + x1), (y - y0) * (x1 - x0));
    return out;
  }

  private paste(tile: number, pixels: Uint8Array): void {
    const { x0, y0, x1, y1 } = this.rectOf(tile);
    for (let y = y0; y < y1; ++y) this.data.set(pixels.subarray((y - y0) * (x1 - x0), (y - y0 + 1) * (x1 - x0)), y * this.width + x0);
    this.dirty.add(tile);
  }
}

/** Compares two arrays of one length that start at their buffers' beginnings, eight bytes at a time. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  const words = a.length >> 3;
  const left = new BigUint64Array(a.buffer, 0, words);
  const right = new BigUint64Array(b.buffer, 0, words);
  for (let i = 0; i < words; ++i) if (left[i] !== right[i]) return false;
  for (let i = words << 3; i < a.length; ++i) if (a[i] !== b[i]) return false;
  return true;
}

function bytesOf(step: Step): number {
  let bytes = 0;
  for (const { before, after } of step.values()) bytes += before.length + after.length;
  return bytes;
}
