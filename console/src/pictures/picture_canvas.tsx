import { useEffect, useRef } from 'react';

interface Props {
  picture: ImageBitmap;
  /** Drawn over the picture, stretched to its size. */
  overlay?: ImageBitmap | null;
  /** 0 … 1 */
  opacity?: number;
  /** What is seen, in words. */
  label: string;
}

/** Shows a picture, with marks on top, as large as the page allows. */
export function PictureCanvas({ picture, overlay, opacity = 0.6, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    element.width = picture.width;
    element.height = picture.height;
    const context = element.getContext('2d')!;
    context.drawImage(picture, 0, 0);
    if (!overlay) return;
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = overlay.width < picture.width;
    context.drawImage(overlay, 0, 0, picture.width, picture.height);
  }, [picture, overlay, opacity]);
  return <canvas ref={canvas} className="picture-canvas" role="img" aria-label={label} />;
}
