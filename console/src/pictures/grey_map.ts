// Anomaly maps as the server sends them: grey pictures, coarser than the picture that they cover.
import { bytesOfBase64 } from './base64.ts';
import { PictureError } from './decode.ts';
import { decodePng } from './png.ts';

export interface GreyMap {
  width: number;
  height: number;
  /** Row by row. A level rises with the value of the map; 32 levels are a factor of two. */
  values: Uint8Array;
}

/** Reads a map that came as base64 of a grey PNG. */
export async function greyMapOf(base64: string): Promise<GreyMap> {
  const png = await decodePng(bytesOfBase64(base64));
  if (!png.indices) throw new PictureError('The server sent a map that is not a grey picture.');
  return { width: png.width, height: png.height, values: png.indices.map((index) => png.palette![index]! & 255) };
}

/** The middle of the cell with the highest level, the first if there are several, as parts of the width and the height. */
export function hottestOf({ width, height, values }: GreyMap): { x: number; y: number } {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return { x: ((best % width) + 0.5) / width, y: (Math.floor(best / width) + 0.5) / height };
}

const kLevelsPerDoubling = 32;

/**
 * The map in colours (red, green, blue, alpha): nothing below `threshold`, the level where masks begin, a breath of yellow at it, which
 * good parts may reach, and red from eight times its value on.
 */
export function heatColours({ values }: GreyMap, threshold: number): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(4 * values.length);
  for (let i = 0; i < values.length; i++) {
    const doublings = (values[i]! - threshold) / kLevelsPerDoubling;
    rgba[4 * i] = 255;
    rgba[4 * i + 1] = Math.round(230 * (1 - Math.min(1, Math.max(0, doublings / 3))));
    rgba[4 * i + 3] = Math.round(255 * Math.min(0.85, Math.max(0, 0.1 + 0.27 * doublings)));
  }
  return rgba;
}
