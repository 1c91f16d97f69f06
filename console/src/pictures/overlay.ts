// Makes what is drawn over a picture: the marks of a mask, or the colours of an anomaly map.
import { bytesOfBase64 } from './base64.ts';
import { heatColours, type GreyMap } from './grey_map.ts';
import { decodePng } from './png.ts';

/** The marks of a mask as DetectAnomalies returns it (base64 of a PNG): its white background becomes transparent. */
export async function overlayOfMask(base64: string): Promise<ImageBitmap> {
  const png = await decodePng(bytesOfBase64(base64), { maxSide: 16384 });
  const pixels = new Uint32Array(png.width * png.height); // alpha, blue, green, red from the high byte down
  const put = (i: number, colour: number) => {
    if (colour !== 0xffffff) pixels[i] = (0xff000000 | colour) >>> 0;
  };
  if (png.indices && png.palette) for (let i = 0; i < pixels.length; i++) put(i, png.palette[png.indices[i]!]!);
  else {
    const rgba = new Uint32Array(png.rgba!.buffer, png.rgba!.byteOffset, pixels.length);
    for (let i = 0; i < pixels.length; i++) put(i, rgba[i]! & 0xffffff);
  }
  return createImageBitmap(new ImageData(new Uint8ClampedArray(pixels.buffer), png.width, png.height), { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
}

/** An anomaly map in colours (heatColours()). */
export async function overlayOfMap(map: GreyMap, threshold: number): Promise<ImageBitmap> {
  return createImageBitmap(new ImageData(heatColours(map, threshold), map.width, map.height), { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
}
