// Masks of datasets: PNG files in which each label has its colour, and planes of one label number per pixel.
import { kBackground, rgbOf, type Label } from '../labels/colours.ts';
import { decodePng, encodeIndexedPng, PngError } from './png.ts';

/** One byte per pixel, row by row: 0 is the background, `i` is `labels[i - 1]`. */
export interface MaskPlane {
  width: number;
  height: number;
  data: Uint8Array<ArrayBuffer>;
}

const packed = (colour: string) => {
  const [r, g, b] = rgbOf(colour);
  return r | (g << 8) | (b << 16);
};

/**
 * Reads a mask as the server does: each pixel's colour must be that of a label, or white or black, which are background; alpha
 * is dropped. Throws a PngError that names the first other colour.
 */
export async function decodeMask(bytes: Uint8Array, labels: readonly Label[], maxSide = 4096): Promise<MaskPlane> {
  if (labels.length > 255) throw new PngError('A mask has at most 255 labels.');
  const png = await decodePng(bytes, { maxSide });
  const numbers = new Map<number, number>([[0x000000, 0], [0xffffff, 0]]);
  labels.forEach(({ colour }, i) => numbers.set(packed(colour), i + 1));
  const numberOf = (colour: number) => {
    const number = numbers.get(colour);
    if (number !== undefined) return number;
    const hex = [colour & 255, (colour >> 8) & 255, colour >> 16].map((v) => v.toString(16).padStart(2, '0')).join('');
    throw new PngError(`The mask holds the colour #${hex}, which its colour map does not name.`);
  };
  const data = new Uint8Array(png.width * png.height);
  if (png.indices) {
    // A palette may have colours that no pixel has.
    const table = new Int16Array(256).fill(-1);
    for (let i = 0; i < data.length; ++i) {
      const index = png.indices[i]!;
      if (table[index]! < 0) {
        if (index >= png.palette!.length) throw new PngError('The mask has a pixel that is not in its palette.');
        table[index] = numberOf(png.palette![index]!);
      }
      data[i] = table[index]!;
    }
  } else {
    const pixels = new Uint32Array(png.rgba!.buffer);
    let last = -1;
    let number = 0;
    for (let i = 0; i < data.length; ++i) {
      const colour = pixels[i]! & 0xffffff;
      if (colour !== last) {
        last = colour;
        number = numberOf(colour);
      }
      data[i] = number;
    }
  }
  return { width: png.width, height: png.height, data };
}

/** The mask's PNG, and the labels that it holds in the order of its indices from 1 on. Without any, the mask marks nothing. */
export async function encodeMask(plane: MaskPlane, labels: readonly Label[]): Promise<{ png: Uint8Array<ArrayBuffer>; labels: Label[] }> {
  const numbers = usedLabels(plane.data);
  const used = numbers.map((number) => {
    const label = labels[number - 1];
    if (!label) throw new Error(`The plane has a label number ${number} without a label.`);
    return label;
  });
  const table = new Uint8Array(256);
  numbers.forEach((number, i) => (table[number] = i + 1));
  const indices = numbers.every((number, i) => number === i + 1) ? plane.data : plane.data.map((number) => table[number]!);
  const png = await encodeIndexedPng(indices, plane.width, plane.height, [kBackground, ...used].map(({ colour }) => packed(colour)));
  return { png, labels: used };
}

/** The label numbers that a plane holds, in rising order, without the background. */
export function usedLabels(data: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (let i = 0; i < data.length; ++i) seen[data[i]!] = 1;
  return Array.from(seen.keys()).filter((number) => number > 0 && seen[number]);
}
