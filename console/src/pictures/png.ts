// A PNG reader and writer whose colours are exactly those of the file: a canvas would apply gAMA, cHRM, profiles and alpha.
//   Portable Network Graphics, third edition: https://www.w3.org/TR/png-3/
import { isPng } from './strip.ts';
import { deflate, inflate } from './zlib.ts';

export class PngError extends Error {}

export interface PngLimits {
  maxSide: number;
}

/** Colours as `r | g << 8 | b << 16`; alpha is dropped, and of 16-bit samples the high byte counts. */
export interface DecodedPng {
  width: number;
  height: number;
  /** Palette files and grey files of up to 8 bits have one index per pixel and their colours; others have none. */
  indices: Uint8Array | null;
  palette: Uint32Array | null;
  /** RGBA with alpha 255, of files without a palette. */
  rgba: Uint8ClampedArray<ArrayBuffer> | null;
}

const kMaxSideOfApi = 4096;

export async function decodePng(bytes: Uint8Array, { maxSide }: PngLimits = { maxSide: kMaxSideOfApi }): Promise<DecodedPng> {
  if (!isPng(bytes)) throw new PngError('The file is not a PNG.');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || view.getUint32(8) !== 13 || String.fromCharCode(...bytes.subarray(12, 16)) !== 'IHDR') throw new PngError('The PNG has no header.');
  const data: Uint8Array[] = [];
  let palette: Uint8Array | null = null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw new PngError('The PNG is cut off.');
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'PLTE') palette = body;
    if (type === 'IDAT') data.push(body);
    if (type === 'IEND') break;
    at += 12 + length;
  }
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const depth = bytes[24]!;
  const colourType = bytes[25]!;
  const interlaced = bytes[28] === 1;
  if (width < 1 || height < 1 || width > maxSide || height > maxSide) throw new PngError(`The PNG has ${width} × ${height} pixels; at most ${maxSide} × ${maxSide} are read.`);
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colourType];
  const depths = colourType === 0 ? [1, 2, 4, 8, 16] : colourType === 3 ? [1, 2, 4, 8] : [8, 16];
  if (!channels || !depths.includes(depth)) throw new PngError('The PNG has an unknown kind of colours.');
  if (colourType === 3 && (!palette || palette.length < 3 || palette.length > 768)) throw new PngError('The PNG has no palette.');

  const bits = channels * depth;
  const passes = interlaced ? kAdam7 : [[0, 0, 1, 1] as const];
  const sizes = passes.map(([x0, y0, dx, dy]) => {
    const columns = Math.ceil((width - x0) / dx);
    const rows = Math.ceil((height - y0) / dy);
    return columns > 0 && rows > 0 ? { columns, rows, stride: Math.ceil((columns * bits) / 8) } : { columns: 0, rows: 0, stride: 0 };
  });
  const expected = sizes.reduce((sum, { rows, stride }) => sum + rows * (stride + 1), 0);
  const raw = await inflate(data, expected).catch(() => {
    throw new PngError('The data of the PNG are broken.');
  });
  if (raw.length < expected) throw new PngError('The PNG is cut off.');

  const hasIndices = colourType === 3 || (colourType === 0 && depth <= 8);
  const indices = hasIndices ? new Uint8Array(width * height) : null;
  const rgba = hasIndices ? null : new Uint8ClampedArray(width * height * 4).fill(255);
  let from = 0;
  passes.forEach(([x0, y0, dx, dy], pass) => {
    const { columns, rows, stride } = sizes[pass]!;
    unfilter(raw, from, rows, stride, Math.max(1, bits >> 3));
    for (let row = 0; row < rows; ++row) {
      const line = from + row * (stride + 1) + 1;
      const out = (y0 + row * dy) * width + x0;
      if (indices) copyIndices(raw, line, columns, depth, indices, out, dx);
      else copyColours(raw, line, columns, depth, channels, rgba!, out, dx);
    }
    from += rows * (stride + 1);
  });
  return { width, height, indices, rgba, palette: indices ? colours(colourType === 3 ? palette! : null, depth) : null };
}

/** x and y of the first pixel of a pass, and the steps. */
const kAdam7 = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]] as const;

/** Undoes the filters of section 9 of the specification, in place. */
function unfilter(raw: Uint8Array, from: number, rows: number, stride: number, step: number) {
  for (let row = 0; row < rows; ++row) {
    const start = from + row * (stride + 1);
    const filter = raw[start]!;
    const at = start + 1;
    const above = row > 0 ? at - stride - 1 : -1;
    if (filter === 0) continue;
    if (filter > 4) throw new PngError('The data of the PNG are broken.');
    if (filter === 2) {
      if (above >= 0) for (let i = 0; i < stride; ++i) raw[at + i] = raw[at + i]! + raw[above + i]!;
      continue;
    }
    for (let i = 0; i < stride; ++i) {
      const left = i >= step ? raw[at + i - step]! : 0;
      const up = above >= 0 ? raw[above + i]! : 0;
      if (filter === 1) raw[at + i] = raw[at + i]! + left;
      else if (filter === 3) raw[at + i] = raw[at + i]! + ((left + up) >> 1);
      else {
        const corner = above >= 0 && i >= step ? raw[above + i - step]! : 0;
        const toLeft = Math.abs(up - corner);
        const toUp = Math.abs(left - corner);
        const toCorner = Math.abs(left + up - 2 * corner);
        raw[at + i] = raw[at + i]! + (toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner);
      }
    }
  }
}

function copyIndices(raw: Uint8Array, line: number, columns: number, depth: number, out: Uint8Array, at: number, step: number) {
  if (depth === 8 && step === 1) {
    out.set(raw.subarray(line, line + columns), at);
    return;
  }
  const mask = (1 << depth) - 1;
  for (let x = 0; x < columns; ++x) {
    const bit = x * depth;
    out[at + x * step] = (raw[line + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask;
  }
}

function copyColours(raw: Uint8Array, line: number, columns: number, depth: number, channels: number, out: Uint8ClampedArray, at: number, step: number) {
  const bytes = depth >> 3;
  const isGrey = channels < 3;
  for (let x = 0; x < columns; ++x) {
    const from = line + x * channels * bytes;
    const to = 4 * (at + x * step);
    out[to] = raw[from]!;
    out[to + 1] = raw[isGrey ? from : from + bytes]!;
    out[to + 2] = raw[isGrey ? from : from + 2 * bytes]!;
  }
}

function colours(palette: Uint8Array | null, depth: number): Uint32Array {
  if (palette) return Uint32Array.from({ length: Math.floor(palette.length / 3) }, (_, i) => palette[3 * i]! | (palette[3 * i + 1]! << 8) | (palette[3 * i + 2]! << 16));
  const largest = (1 << depth) - 1;
  return Uint32Array.from({ length: largest + 1 }, (_, i) => Math.round((i * 255) / largest) * 0x010101);
}

/** Writes an indexed 8-bit PNG without chunks that could change its colours. `palette` has 1 … 256 colours as `r | g << 8 | b << 16`. */
export async function encodeIndexedPng(indices: Uint8Array, width: number, height: number, palette: ArrayLike<number>): Promise<Uint8Array<ArrayBuffer>> {
  const raw = new Uint8Array(height * (width + 1));
  // Filter 2 (up) turns rows that repeat into zeros, which are most rows of a mask.
  for (let y = 0; y < height; ++y) {
    const to = y * (width + 1);
    const from = y * width;
    raw[to] = y === 0 ? 0 : 2;
    if (y === 0) raw.set(indices.subarray(0, width), 1);
    else for (let x = 0; x < width; ++x) raw[to + 1 + x] = indices[from + x]! - indices[from - width + x]!;
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 3, 0, 0, 0], 8);
  const plte = new Uint8Array(3 * palette.length);
  for (let i = 0; i < palette.length; ++i) plte.set([palette[i]! & 255, (palette[i]! >> 8) & 255, (palette[i]! >> 16) & 255], 3 * i);
  const parts = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), chunk('IHDR', header), chunk('PLTE', plte), chunk('IDAT', await deflate(raw)), chunk('IEND', new Uint8Array())];
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

let crcTable: Uint32Array | undefined;

function chunk(type: string, body: Uint8Array): Uint8Array {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  const out = new Uint8Array(body.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; ++i) out[4 + i] = type.charCodeAt(i);
  out.set(body, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < out.length - 4; ++i) crc = crcTable[(crc ^ out[i]!) & 255]! ^ (crc >>> 8);
  view.setUint32(out.length - 4, ~crc >>> 0);
  return out;
}
