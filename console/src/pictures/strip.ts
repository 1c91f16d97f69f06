// Takes out of a picture's file what makes a browser draw it otherwise than Vedette reads it: the orientation, by which
// browsers turn the picture whatever one asks of them, and colour profiles. Vedette works on the raw grid and its values.

/** Segments of a JPEG: APP1 holds EXIF, APP2 the ICC profile (ISO/IEC 10918-1 and the profiles' own specifications). */
const kJpegDropped = new Set([0xe1, 0xe2]);
const kPngDropped = new Set(['eXIf', 'gAMA', 'cHRM', 'iCCP', 'sRGB', 'cICP', 'mDCV', 'cLLI']);
const kPngSignature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export const isJpeg = (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
export const isPng = (bytes: Uint8Array) => kPngSignature.every((byte, i) => bytes[i] === byte);

/** The file without these parts. A broken file, or one of another format, is returned as it is. */
export function stripForDisplay(bytes: Uint8Array): Uint8Array {
  const kept = isJpeg(bytes) ? partsOfJpeg(bytes) : isPng(bytes) ? partsOfPng(bytes) : null;
  if (!kept) return bytes;
  const out = new Uint8Array(kept.reduce((sum, [from, end]) => sum + end - from, 0));
  if (out.length === bytes.length) return bytes;
  let at = 0;
  for (const [from, end] of kept) {
    out.set(bytes.subarray(from, end), at);
    at += end - from;
  }
  return out;
}

/** The ranges [from, end) to keep, or null if the file does not follow its format. */
type Ranges = [number, number][] | null;

function partsOfJpeg(bytes: Uint8Array): Ranges {
  const kept: [number, number][] = [[0, 2]];
  for (let at = 2; ; ) {
    if (bytes[at] !== 0xff) return null;
    let marker = at + 1;
    while (bytes[marker] === 0xff) ++marker; // Any number of fill bytes may stand before a marker.
    const code = bytes[marker];
    if (code === undefined || code === 0) return null;
    if (code === 0xda || code === 0xd9) {
      // From the first scan on, nothing is looked at.
      kept.push([at, bytes.length]);
      return kept;
    }
    const hasLength = !(code === 0x01 || (code >= 0xd0 && code <= 0xd7));
    const end = hasLength ? marker + 1 + ((bytes[marker + 1] ?? 0) << 8) + (bytes[marker + 2] ?? 0) : marker + 1;
    if (hasLength && end < marker + 3) return null;
    if (end > bytes.length) return null;
    if (!kJpegDropped.has(code)) kept.push([at, end]);
    at = end;
  }
}

function partsOfPng(bytes: Uint8Array): Ranges {
  const kept: [number, number][] = [[0, 8]];
  for (let at = 8; at < bytes.length; ) {
    if (at + 12 > bytes.length) return null;
    const length = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
    const end = at + 12 + length;
    if (end > bytes.length) return null;
    const type = String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
    if (!kPngDropped.has(type)) kept.push([at, end]);
    if (type === 'IEND') return kept;
    at = end;
  }
  return null;
}

export interface PictureHeader {
  format: 'jpeg' | 'png';
  width: number;
  height: number;
  /** A PNG with transparency. */
  hasAlpha: boolean;
}

/** Reads format and sides without decoding. Null if the bytes are neither a JPEG nor a PNG or break off before the sides. */
export function readHeader(bytes: Uint8Array): PictureHeader | null {
  if (isPng(bytes)) {
    if (bytes.length < 33 || bytes[12] !== 0x49 || bytes[13] !== 0x48 || bytes[14] !== 0x44 || bytes[15] !== 0x52) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { format: 'png', width: view.getUint32(16), height: view.getUint32(20), hasAlpha: (bytes[25]! & 4) !== 0 || hasTransparency(bytes) };
  }
  if (!isJpeg(bytes)) return null;
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const code = bytes[at + 1]!;
    if (code === 0xff) {
      ++at;
      continue;
    }
    if (code === 0x01 || (code >= 0xd0 && code <= 0xd7)) {
      at += 2;
      continue;
    }
    if (code === 0xda || code === 0xd9 || code === 0) return null;
    if (code >= 0xc0 && code <= 0xcf && code !== 0xc4 && code !== 0xc8 && code !== 0xcc)
      return { format: 'jpeg', height: (bytes[at + 5]! << 8) | bytes[at + 6]!, width: (bytes[at + 7]! << 8) | bytes[at + 8]!, hasAlpha: false };
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (length < 2) return null;
    at += 2 + length;
  }
  return null;
}

/** Whether a chunk tRNS stands before the data. */
function hasTransparency(bytes: Uint8Array): boolean {
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
    const type = String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
    if (type === 'tRNS') return true;
    if (type === 'IDAT' || type === 'IEND') return false;
    at += 12 + length;
  }
  return false;
}
