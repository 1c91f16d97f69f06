// Decodes pictures to the grid and the values that Vedette works on.
import { decodePng } from './png.ts';
import { readHeader, stripForDisplay, type PictureHeader } from './strip.ts';

/** The server may take larger pictures than the API; the memory of a browser sets this limit. */
const kMostPixels = 64 << 20;

/** Why a picture cannot be shown, in a sentence for a person. */
export class PictureError extends Error {}

/** Checks a picture before it is decoded. */
export function checkHeader(bytes: Uint8Array): PictureHeader {
  const header = readHeader(bytes);
  if (!header) throw new PictureError('The file is neither a JPEG nor a PNG, or it is broken.');
  if (header.width < 1 || header.height < 1 || header.width * header.height > kMostPixels)
    throw new PictureError(`The picture has ${header.width} × ${header.height} pixels, which is more than a browser can work on.`);
  return header;
}

/** Decodes a picture on its raw grid: not turned by its orientation, not changed by its profile, not blended by its alpha. */
export async function decodePicture(bytes: Uint8Array<ArrayBuffer>): Promise<ImageBitmap> {
  const header = checkHeader(bytes);
  const options: ImageBitmapOptions = { colorSpaceConversion: 'none', premultiplyAlpha: 'none', imageOrientation: 'none' };
  if (header.hasAlpha) {
    const png = await decodePng(bytes, { maxSide: Math.max(header.width, header.height) });
    return createImageBitmap(new ImageData(png.rgba ?? expand(png.indices!, png.palette!), png.width, png.height), options);
  }
  const stripped = stripForDisplay(bytes) as Uint8Array<ArrayBuffer>;
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(new Blob([stripped], { type: `image/${header.format}` }), options);
  } catch {
    throw new PictureError('The picture cannot be decoded. The file is broken or cut off.');
  }
  if (bitmap.width === header.width && bitmap.height === header.height) return bitmap;
  bitmap.close();
  throw new PictureError('The browser turned or scaled the picture, so that nothing can be drawn on it in the right place.');
}

/** RGBA of indices and their colours. */
function expand(indices: Uint8Array, palette: Uint32Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint32Array(indices.length);
  for (let i = 0; i < indices.length; ++i) pixels[i] = (palette[indices[i]!] ?? 0) | 0xff000000;
  return new Uint8ClampedArray(pixels.buffer);
}
