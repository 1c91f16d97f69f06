// One picture as large as the window, with the keys of the gallery: arrows go on, N and A label.
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import Button from '@cloudscape-design/components/button';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import Spinner from '@cloudscape-design/components/spinner';
import ToggleButton from '@cloudscape-design/components/toggle-button';
import { sentenceOf } from '../api/errors.ts';
import { count } from '../app/format.ts';
import { bindKeys } from '../keys/keys.ts';
import { kLayerNames, layersOf, nextLayer, sentenceOfLayer, type Layer } from '../looks/layers.ts';
import { useLook, useNearest, type Looking, type Nearest, type Place } from '../looks/look.ts';
import { Marker, Why } from '../looks/why.tsx';
import { useSession } from '../session/session.tsx';
import { useGallery, type GalleryModel } from './model.ts';
import { kAnomaly, kLabelNames, kNormal } from './rows.ts';

/** Loads a picture, or a mask, on its raw grid: not turned by its orientation, colours not changed. */
export type LoadPicture = (sourceRef: string, signal: AbortSignal) => Promise<ImageBitmap>;

interface Shown {
  sourceRef: string;
  picture?: ImageBitmap;
  mask?: ImageBitmap;
  error?: string;
}

/** What lies over the picture: a mask as it is stored, with its background, or something that is transparent where it shows nothing. */
interface Overlay {
  bitmap: ImageBitmap;
  kind: 'mask' | 'marks' | 'heat';
}

/** The layer that was looked at last is shown again. */
let lastLayer: Layer | undefined;

const kMostKept = 4;
/** Small pictures are not enlarged more than this. */
const kMostEnlarged = 4;

export function LargeView({
  model,
  loadPicture,
  canLabel,
  looking,
  onClose,
  onDraw,
}: {
  model: GalleryModel;
  loadPicture: LoadPicture;
  canLabel: boolean;
  /** The model whose verdicts these are. Then layers can be chosen; otherwise the labelled mask lies over the picture. */
  looking?: Looking;
  onClose: () => void;
  onDraw?: () => void;
}) {
  useGallery(model);
  const position = model.selection.positionOf(model.selection.focus);
  const row = model.rows[model.selection.focus];
  const next = model.rows[model.view[position + 1] ?? -1];
  const { may } = useSession();
  const canLook = !!looking && may('vedette:ComputeAnomalyMap');
  const layers = looking ? layersOf(row ?? {}, canLook) : [];
  const [wanted, setWanted] = useState<Layer>(lastLayer ?? (row?.predictedMaskRef ? 'predicted' : 'picture'));
  const layer: Layer = !looking ? 'labelled' : layers.includes(wanted) ? wanted : 'picture';
  const choose = (one: Layer) => {
    lastLayer = one;
    setWanted(one);
  };
  const isStored = layer === 'predicted' && !!row?.predictedMaskRef;
  const shown = usePicture(row?.sourceRef, layer === 'labelled' ? row?.maskRef : isStored ? row.predictedMaskRef : undefined, next?.sourceRef, loadPicture);
  const isCurrent = shown?.sourceRef === row?.sourceRef;

  const canAsk = canLook && may('vedette:FindNearestPatch');
  const [asks, setAsks] = useState(false);
  const looked = row && { sourceRef: row.sourceRef };
  const look = useLook(looking ?? { project: '', version: '' }, looked, canLook && (asks || layer === 'heat' || (layer === 'predicted' && !isStored)));
  const [clicked, setClicked] = useState<{ sourceRef: string; place: Place }>();
  const place = asks ? (clicked && clicked.sourceRef === row?.sourceRef ? clicked.place : look.data?.hottest) : undefined;
  const nearest = useNearest(looking ?? { project: '', version: '' }, looked, place, isCurrent ? shown?.picture : undefined);
  bindKeys('look', {
    ...(layers.length > 1 && { layer: () => choose(nextLayer(layers, layer)) }),
    ...(canAsk && { why: () => setAsks(!asks) }),
  });
  const overlay: Overlay | undefined =
    layer === 'heat' && look.data
      ? { bitmap: look.data.heat, kind: 'heat' }
      : layer === 'predicted' && !isStored && look.data?.mask
        ? { bitmap: look.data.mask, kind: 'marks' }
        : (layer === 'labelled' || isStored) && shown?.mask
          ? { bitmap: shown.mask, kind: 'mask' }
          : undefined;
  const says = looking && (layer === 'heat' || (layer === 'predicted' && !isStored)) ? sentenceOfLayer(layer, look, looking.note) : undefined;
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
        {row.remark && <span>{row.remark}</span>}
        <span className="gallery-status">
          {count(position + 1)} of {count(model.view.length)}
        </span>
        <span className="space" />
        {layers.length > 1 && (
          <SegmentedControl
            label="What lies over the picture (H)"
            selectedId={layer}
            options={layers.map((id) => ({ id, text: kLayerNames[id] }))}
            onChange={({ detail }) => choose(detail.selectedId as Layer)}
          />
        )}
        {canAsk && (
          <ToggleButton pressed={asks} onChange={({ detail }) => setAsks(detail.pressed)}>
            Why (W)
          </ToggleButton>
        )}
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
      {says && (
        <div className="look-says" role="status">
          {says}
        </div>
      )}
      <div className="look-body">
        <Canvas
          shown={shown}
          overlay={isCurrent ? overlay : undefined}
          name={row.name}
          isCurrent={isCurrent}
          area={asks ? nearest.data?.area : undefined}
          onPick={asks ? (at) => setClicked({ sourceRef: row.sourceRef, place: at }) : undefined}
        />
        {asks && isCurrent && shown?.picture && <Why picture={shown.picture} nearest={nearest.data} error={look.error ?? nearest.error} loadPicture={loadPicture} />}
      </div>
    </dialog>,
    document.body,
  );
}

/** Loads the picture of a row, and the next one ahead. What was shown stays until then. */
function usePicture(sourceRef: string | undefined, maskRef: string | undefined, nextRef: string | undefined, loadPicture: LoadPicture): Shown | undefined {
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

interface CanvasProps {
  shown: Shown | undefined;
  overlay: Overlay | undefined;
  name: string;
  isCurrent: boolean;
  /** What is framed, in pixels of the picture. */
  area: Nearest['area'];
  /** What a click does in place of showing the picture at its own size. */
  onPick: ((place: Place) => void) | undefined;
}

function Canvas({ shown, overlay, name, isCurrent, area, onPick }: CanvasProps) {
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
  }, [shown?.picture]);
  useLayoutEffect(() => drawOverlay(mask.current, overlay), [shown?.picture, overlay?.bitmap]);
  useLayoutEffect(() => {
    const [box, inner, bitmap] = [view.current, frame.current, shown?.picture];
    if (!box || !inner || !bitmap) return;
    const fit = () => {
      const scale = zoom ? Math.max(1, fitScale(box, bitmap) * 2) : fitScale(box, bitmap);
      inner.style.width = `${bitmap.width * scale}px`;
      inner.style.height = `${bitmap.height * scale}px`;
      inner.style.cursor = onPick ? 'crosshair' : zoom ? 'zoom-out' : 'zoom-in';
      if (zoom) box.scrollTo(zoom.x * inner.offsetWidth - box.clientWidth / 2, zoom.y * inner.offsetHeight - box.clientHeight / 2);
    };
    fit();
    const observer = new ResizeObserver(fit);
    observer.observe(box);
    return () => observer.disconnect();
  }, [shown, zoom, !onPick]);

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
            const place = { x: (event.clientX - box.x) / box.width, y: (event.clientY - box.y) / box.height };
            if (onPick) onPick(place);
            else setZoom(zoom ? undefined : place);
          }}
        >
          <canvas ref={picture} role="img" aria-label={name} />
          <canvas ref={mask} className={overlay?.kind === 'heat' ? 'mask heat' : 'mask'} aria-hidden="true" />
          {area && <Marker area={area} picture={shown.picture} />}
        </div>
      )}
    </div>
  );
}

const fitScale = (box: HTMLElement, bitmap: ImageBitmap) => Math.min(kMostEnlarged, box.clientWidth / bitmap.width, box.clientHeight / bitmap.height);

/** Draws what lies over the picture. White and black are the background of a mask. */
function drawOverlay(canvas: HTMLCanvasElement | null, overlay: Overlay | undefined) {
  if (!canvas) return;
  canvas.width = overlay?.bitmap.width ?? 1;
  canvas.height = overlay?.bitmap.height ?? 1;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!overlay || !context) return;
  context.drawImage(overlay.bitmap, 0, 0);
  if (overlay.kind !== 'mask') return;
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) {
    const colour = pixels[i]! & 0xffffff;
    pixels[i] = colour === 0 || colour === 0xffffff ? 0 : colour | 0xff000000;
  }
  context.putImageData(image, 0, 0);
}
