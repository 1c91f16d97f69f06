// One picture as large as the window, with the keys of the gallery: arrows go on, N and A label.
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import Button from '@cloudscape-design/components/button';
import Spinner from '@cloudscape-design/components/spinner';
import { sentenceOf } from '../api/errors.ts';
import { count } from '../app/format.ts';
import { useGallery, type GalleryModel } from './model.ts';
import { kAnomaly, kLabelNames, kNormal, type GalleryRow } from './rows.ts';

/** Loads a picture, or a mask, on its raw grid: not turned by its orientation, colours not changed. */
export type LoadPicture = (sourceRef: string, signal: AbortSignal) => Promise<ImageBitmap>;

interface Shown {
  sourceRef: string;
  picture?: ImageBitmap;
  mask?: ImageBitmap;
  error?: string;
}

const kMostKept = 4;
/** Small pictures are not enlarged more than this. */
const kMostEnlarged = 4;

export function LargeView({
  model,
  loadPicture,
  canLabel,
  onClose,
  onDraw,
}: {
  model: GalleryModel;
  loadPicture: LoadPicture;
  canLabel: boolean;
  onClose: () => void;
  onDraw?: () => void;
}) {
  useGallery(model);
  const position = model.selection.positionOf(model.selection.focus);
  const row = model.rows[model.selection.focus];
  const next = model.rows[model.view[position + 1] ?? -1];
  const shown = usePicture(row, next, loadPicture);
  const dialog = useRef<HTMLDialogElement>(null);

  // All else is out of reach meanwhile, also for the keyboard and for screen readers.
  useEffect(() => {
    const root = document.getElementById('root');
    const before = document.activeElement;
    root?.setAttribute('inert', '');
    dialog.current?.focus();
    return () => {
      root?.removeAttribute('inert');
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);

  if (!row) return null;
  const label = kLabelNames[model.labels.labelOf(model.selection.focus)];
  const names = label === kLabelNames[kAnomaly] ? row.anomalyLabels.join(', ') : '';
  const go = (to: number) => {
    model.selection.moveTo(to);
    model.changed();
  };
  return createPortal(
    <dialog ref={dialog} open className="gallery-large" aria-label={`Large view of ${row.name}`} tabIndex={-1}>
      <div className="gallery-bar">
        <h2 title={row.sourceRef}>{row.name}</h2>
        <span className="large-label" data-label={label} role="status">
          {label}
          {names && `: ${names}`}
        </span>
        <span className="gallery-status">
          {count(position + 1)} of {count(model.view.length)}
        </span>
        <span className="space" />
        {canLabel && (
          <>
            <Button onClick={() => model.label(kNormal, { advance: true })}>Normal (N)</Button>
            <Button onClick={() => model.label(kAnomaly, { advance: true })}>Anomaly (A)</Button>
          </>
        )}
        {onDraw && <Button onClick={onDraw}>Draw mask (D)</Button>}
        <Button iconName="angle-left" ariaLabel="Previous picture" disabled={position <= 0} onClick={() => go(position - 1)} />
        <Button iconName="angle-right" ariaLabel="Next picture" disabled={position + 1 >= model.view.length} onClick={() => go(position + 1)} />
        <Button iconName="close" ariaLabel="Close the large view" onClick={onClose} />
      </div>
      <Canvas shown={shown} name={row.name} isCurrent={shown?.sourceRef === row.sourceRef} />
    </dialog>,
    document.body,
  );
}

/** Loads the picture of a row, and the next one ahead. What was shown stays until then. */
function usePicture(row: GalleryRow | undefined, next: GalleryRow | undefined, loadPicture: LoadPicture): Shown | undefined {
  const [shown, setShown] = useState<Shown>();
  const kept = useRef(new Map<string, { promise: Promise<ImageBitmap>; abort: AbortController }>());

  const load = (sourceRef: string) => {
    const known = kept.current.get(sourceRef);
    if (known) {
      kept.current.delete(sourceRef);
      kept.current.set(sourceRef, known);
      return known.promise;
    }
    const abort = new AbortController();
    const promise = loadPicture(sourceRef, abort.signal);
    kept.current.set(sourceRef, { promise, abort });
    promise.catch(() => kept.current.delete(sourceRef));
    for (const [old, entry] of kept.current) {
      if (kept.current.size <= kMostKept) break;
      kept.current.delete(old);
      entry.abort.abort();
    }
    return promise;
  };
  const { sourceRef, maskRef } = row ?? {};
  const nextRef = next?.sourceRef;
  useEffect(() => {
    if (!sourceRef) return;
    let isCurrent = true;
    void (async () => {
      try {
        const [picture, mask] = await Promise.all([load(sourceRef), maskRef ? load(maskRef).catch(() => undefined) : undefined]);
        if (isCurrent) setShown({ sourceRef, picture, mask });
      } catch (error) {
        if (isCurrent) setShown({ sourceRef, error: sentenceOf(error) });
      }
      if (isCurrent && nextRef) load(nextRef).catch(() => {}); // The error is shown when the picture is.
    })();
    return () => {
      isCurrent = false;
    };
  }, [sourceRef, maskRef, nextRef]);
  useEffect(() => {
    const map = kept.current;
    return () => {
      for (const entry of map.values()) entry.abort.abort();
      map.clear();
    };
  }, []);
  return shown;
}

function Canvas({ shown, name, isCurrent }: { shown: Shown | undefined; name: string; isCurrent: boolean }) {
  const view = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const mask = useRef<HTMLCanvasElement>(null);
  /** Where the picture was clicked to show it at its own size, as parts of its width and height. */
  const [zoom, setZoom] = useState<{ x: number; y: number }>();

  useEffect(() => setZoom(undefined), [shown?.sourceRef]);
  useLayoutEffect(() => {
    const [canvas, bitmap] = [picture.current, shown?.picture];
    if (!canvas || !bitmap) return;
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
    drawMask(mask.current, shown?.mask);
  }, [shown]);
  useLayoutEffect(() => {
    const [box, inner, bitmap] = [view.current, frame.current, shown?.picture];
    if (!box || !inner || !bitmap) return;
    const fit = () => {
      const scale = zoom ? Math.max(1, fitScale(box, bitmap) * 2) : fitScale(box, bitmap);
      inner.style.width = `${bitmap.width * scale}px`;
      inner.style.height = `${bitmap.height * scale}px`;
      inner.style.cursor = zoom ? 'zoom-out' : 'zoom-in';
      if (zoom) box.scrollTo(zoom.x * inner.offsetWidth - box.clientWidth / 2, zoom.y * inner.offsetHeight - box.clientHeight / 2);
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(box);
    return () => observer.disconnect();
  }, [shown, zoom]);

  return (
    <div className="large-view" ref={view}>
      {shown?.error && isCurrent ? (
        <div className="large-message" role="alert">
          <strong>The picture cannot be shown.</strong>
          <br />
          {shown.error}
        </div>
      ) : !shown?.picture ? (
        <div className="large-message">
          <Spinner size="large" />
        </div>
      ) : (
        <div
          ref={frame}
          className={isCurrent ? 'large-canvas' : 'large-canvas is-old'}
          onClick={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            setZoom(zoom ? undefined : { x: (event.clientX - box.x) / box.width, y: (event.clientY - box.y) / box.height });
          }}
        >
          <canvas ref={picture} role="img" aria-label={name} />
          <canvas ref={mask} className="mask" aria-hidden="true" />
        </div>
      )}
    </div>
  );
}

const fitScale = (box: HTMLElement, bitmap: ImageBitmap) => Math.min(kMostEnlarged, box.clientWidth / bitmap.width, box.clientHeight / bitmap.height);

/** Draws what a mask marks; white and black are its background. */
function drawMask(canvas: HTMLCanvasElement | null, mask: ImageBitmap | undefined) {
  if (!canvas) return;
  canvas.width = mask?.width ?? 1;
  canvas.height = mask?.height ?? 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!mask || !context) return;
  context.drawImage(mask, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) {
    const colour = pixels[i]! & 0xffffff;
    pixels[i] = colour === 0 || colour === 0xffffff ? 0 : colour | 0xff000000;
  }
  context.putImageData(image, 0, 0);
}
