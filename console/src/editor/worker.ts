// The thread that holds the picture's values: decodes, makes tiles, runs the wand and the live-wire, and packs masks.
import type { Label } from '../labels/colours.ts';
import { decodePicture } from '../pictures/decode.ts';
import { decodeMask, encodeMask, type MaskPlane } from '../pictures/mask.ts';
import { deflate, inflate } from '../pictures/zlib.ts';
import { normalizeLight } from './light.ts';
import { edgeCosts, LiveWire } from './livewire.ts';
import { crop, grey, pyramid, type Pixels } from './pixels.ts';
import type { Point } from './shapes.ts';
import { kDrawTile, type Size } from './view.ts';
import { wand, type Region } from './wand.ts';

/** The picture as it is, or with the engine's light normalisation. */
export type Look = 'plain' | 'light';

let levels: Pixels[] = [];
let light: Pixels[] | null = null;
let costs: (Uint8Array | undefined)[] = [];
let wire: { level: number; anchor: Point; live: LiveWire } | null = null;

async function pixelsOf(bytes: Uint8Array<ArrayBuffer>): Promise<Pixels> {
  const bitmap = await decodePicture(bytes);
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false })!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

const calls = {
  async open(bytes: Uint8Array<ArrayBuffer>): Promise<Size> {
    levels = pyramid(await pixelsOf(bytes));
    light = null;
    costs = [];
    wire = null;
    return { width: levels[0]!.width, height: levels[0]!.height };
  },
  async tile(look: Look, level: number, column: number, row: number): Promise<ImageBitmap> {
    const from = look === 'plain' ? levels : (light ??= pyramid(normalizeLight(levels[0]!)));
    const part = crop(from[level]!, column * kDrawTile, row * kDrawTile, kDrawTile);
    return createImageBitmap(new ImageData(part.data, part.width, part.height), { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  },
  async wand(x: number, y: number, tolerance: number): Promise<Region | null> {
    return wand(levels[0]!, x, y, tolerance);
  },
  /** The live-wire between two places, on the values of a level; the places and the answer are in pixels of the full picture. */
  async wire(level: number, anchor: Point, to: Point): Promise<Point[]> {
    const pixels = levels[level]!;
    const scale = 2 ** level;
    if (wire?.level !== level || wire.anchor.x !== anchor.x || wire.anchor.y !== anchor.y) {
      const cost = (costs[level] ??= edgeCosts(grey(pixels), pixels));
      wire = { level, anchor, live: new LiveWire(cost, pixels, { x: anchor.x / scale, y: anchor.y / scale }) };
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
