// The thread that holds the picture's values: decodes, makes tiles, runs the wand and the live-wire, and packs masks.
import type { Label } from '../labels/colours.ts';
import { decodePicture } from '../pictures/decode.ts';
import { decodeMask, encodeMask, type MaskPlane } from '../pictures/mask.ts';
import { deflate, inflate } from '../pictures/zlib.ts';
import { normalizeLight } from './light.ts';
import { edgeCosts, LiveWire } from './livewire.ts';
import { crop, grey, pyramid, type Pixels } from './pixels.ts';
import type { Point } from './shapes.ts';
import { kDrawTile, levelSize, type Size } from './view.ts';
import { wand, type Region } from './wand.ts';

/** The picture as it is, or with the engine's light normalisation. */
export type Look = 'plain' | 'light';

let bitmap: ImageBitmap | null = null;
let drawn: (OffscreenCanvas | undefined)[] = [];
/** The values of the picture; read when a tool first needs them. */
let levels: Pixels[] | null = null;
let light: Pixels[] | null = null;
let costs: (Uint8Array | undefined)[] = [];
let wire: { level: number; anchor: Point; live: LiveWire } | null = null;

const picture = (): ImageBitmap => {
  if (!bitmap) throw new Error('No picture is open.');
  return bitmap;
};

function pixels(): Pixels[] {
  if (levels) return levels;
  const { width, height } = picture();
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false })!;
  context.drawImage(picture(), 0, 0);
  return (levels = pyramid({ width, height, data: context.getImageData(0, 0, width, height).data }));
}

/** The picture at a level, for drawing; halving smoothly is the mean of 2 × 2 pixels, and much faster here than in our own code. */
function reduced(level: number): ImageBitmap | OffscreenCanvas {
  if (level === 0) return picture();
  return (drawn[level] ??= (() => {
    const { width, height } = levelSize(picture(), level);
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext('2d', { willReadFrequently: true, alpha: false })!.drawImage(reduced(level - 1), 0, 0, width, height);
    return canvas;
  })());
}

const kRaw = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' } as const;

const calls = {
  async open(bytes: Uint8Array<ArrayBuffer>): Promise<Size> {
    const opened = await decodePicture(bytes);
    bitmap?.close();
    bitmap = opened;
    levels = light = wire = null;
    costs = [];
    drawn = [];
    return { width: bitmap.width, height: bitmap.height };
  },
  async tile(look: Look, level: number, column: number, row: number): Promise<ImageBitmap> {
    if (look === 'light') {
      light ??= pyramid(normalizeLight(pixels()[0]!));
      const part = crop(light[level]!, column * kDrawTile, row * kDrawTile, kDrawTile);
      return createImageBitmap(new ImageData(part.data, part.width, part.height), kRaw);
    }
    const from = reduced(level);
    const x = column * kDrawTile;
    const y = row * kDrawTile;
    return createImageBitmap(from, x, y, Math.min(kDrawTile, from.width - x), Math.min(kDrawTile, from.height - y), kRaw);
  },
  /** Reads the values now, so that the first use of a tool does not wait for them. */
  async prepare(): Promise<void> {
    pixels();
  },
  async wand(x: number, y: number, tolerance: number): Promise<Region | null> {
    return wand(pixels()[0]!, x, y, tolerance);
  },
  /** The live-wire between two places, on the values of a level; the places and the answer are in pixels of the full picture. */
  async wire(level: number, anchor: Point, to: Point): Promise<Point[]> {
    const values = pixels()[level]!;
    const scale = 2 ** level;
    if (wire?.level !== level || wire.anchor.x !== anchor.x || wire.anchor.y !== anchor.y) {
      const cost = (costs[level] ??= edgeCosts(grey(values), values));
      wire = { level, anchor, live: new LiveWire(cost, values, { x: anchor.x / scale, y: anchor.y / scale }) };
    }
    return wire.live.path({ x: to.x / scale, y: to.y / scale }).map(({ x, y }) => ({ x: x * scale, y: y * scale }));
  },
  async readMask(bytes: Uint8Array<ArrayBuffer>, labels: Label[]): Promise<MaskPlane> {
    return decodeMask(bytes, labels, 1 << 14);
  },
  async writeMask(plane: MaskPlane, labels: Label[]) {
    return encodeMask(plane, labels);
  },
  async deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return deflate(bytes);
  },
  async inflate(bytes: Uint8Array<ArrayBuffer>, size: number): Promise<Uint8Array<ArrayBuffer>> {
    return inflate([bytes], size);
  },
};

export type WorkerCalls = typeof calls;
export interface Call {
  id: number;
  name: keyof WorkerCalls;
  args: unknown[];
}
export interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

self.addEventListener('message', async ({ data }: MessageEvent<Call>) => {
  const answer: Answer = { id: data.id };
  const moved: Transferable[] = [];
  try {
    const result = await (calls[data.name] as (...args: unknown[]) => Promise<unknown>)(...data.args);
    answer.result = result;
    if (result instanceof ImageBitmap) moved.push(result);
    else if (result instanceof Uint8Array) moved.push(result.buffer as ArrayBuffer);
    else if (data.name === 'readMask') moved.push((result as MaskPlane).data.buffer);
  } catch (error) {
    answer.error = error instanceof Error ? error.message : String(error);
  }
  (self as unknown as DedicatedWorkerGlobalScope).postMessage(answer, moved);
});
