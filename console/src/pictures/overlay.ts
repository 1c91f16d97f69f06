// Makes what is drawn over a picture: the marks of a mask, or the colours of an anomaly map.
import { bytesOfBase64 } from './base64.ts';
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

/**
 * An anomaly map (base64 of a grey PNG, in which `threshold` is where the model's mask begins) in colours: nothing well below
 * the threshold, yellow around it, red above.
 */
export async function overlayOfMap(base64: string, threshold: number): Promise<ImageBitmap> {
  const png = await decodePng(bytesOfBase64(base64), { maxSide: 16384 });
  const grey = (i: number) => (png.indices && png.palette ? png.palette[png.indices[i]!]! & 255 : png.rgba![4 * i]!);
  const rgba = new Uint8ClampedArray(png.width * png.height * 4);
  for (let i = 0; i < png.width * png.height; i++) {
    const level = grey(i) / Math.max(1, threshold); // 1 at the threshold
    const heat = Math.min(1, Math.max(0, (level - 0.5) / 1.0));
    rgba[4 * i] = 255;
    rgba[4 * i + 1] = Math.round(230 * (1 - Math.min(1, Math.max(0, (level - 0.8) / 0.8))));
    rgba[4 * i + 2] = 0;
    rgba[4 * i + 3] = Math.round(255 * heat);
  }
  return createImageBitmap(new ImageData(rgba, png.width, png.height), { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
}
