// Why a place stands out: beside it the most alike place of the good training pictures, as far as the model knows them.
import { useEffect, useRef, useState } from 'react';
import Spinner from '@cloudscape-design/components/spinner';
import { sentenceOf } from '../api/errors.ts';
import type { PictureArea } from '../api/generated.ts';
import { nameOf } from '../gallery/rows.ts';
import type { Nearest } from './look.ts';
import './looks.css';

type LoadPicture = (sourceRef: string, signal: AbortSignal) => Promise<ImageBitmap>;

interface Props {
  picture: ImageBitmap;
  nearest: Nearest | undefined;
  error: unknown;
  loadPicture: LoadPicture;
}

/** An area of a picture, enlarged. */
function Crop({ picture, area, label }: { picture: ImageBitmap; area: PictureArea; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const { Left = 0, Top = 0, Width = 1, Height = 1 } = area;
    canvas.current!.width = Width;
    canvas.current!.height = Height;
    canvas.current!.getContext('2d')!.drawImage(picture, Left, Top, Width, Height, 0, 0, Width, Height);
  }, [picture, area]);
  return <canvas ref={canvas} className="why-crop" role="img" aria-label={label} />;
}

/** Frames an area of a picture; it stands in an element that the picture fills. */
export function Marker({ area: { Left = 0, Top = 0, Width = 0, Height = 0 }, picture }: { area: PictureArea; picture: { width: number; height: number } }) {
  const [x, y] = [100 / picture.width, 100 / picture.height];
  return <div className="look-marker" style={{ left: `${x * Left}%`, top: `${y * Top}%`, width: `${x * Width}%`, height: `${y * Height}%` }} />;
}

export function Why({ picture, nearest, error, loadPicture }: Props) {
  const [good, setGood] = useState<{ sourceRef: string; picture?: ImageBitmap; error?: string }>();
  const sourceRef = nearest?.nearest?.sourceRef;
  useEffect(() => {
    if (!sourceRef) return;
    const abort = new AbortController();
    let loaded: ImageBitmap | undefined;
    loadPicture(sourceRef, abort.signal).then(
      (bitmap) => {
        loaded = bitmap;
        if (abort.signal.aborted) bitmap.close();
        else setGood({ sourceRef, picture: bitmap });
      },
      (failure: unknown) => {
        if (!abort.signal.aborted) setGood({ sourceRef, error: sentenceOf(failure) });
      },
    );
    return () => {
      abort.abort();
      setGood(undefined);
      loaded?.close();
    };
  }, [sourceRef]);
  return (
    <aside className="why" aria-label="Why the place stands out" aria-live="polite">
      <h3>Why here?</h3>
      {error ? (
        <p role="alert">{sentenceOf(error)}</p>
      ) : !nearest ? (
        <Spinner />
      ) : (
        <>
          {nearest.area && (
            <figure>
              <Crop picture={picture} area={nearest.area} label="The place" />
              <figcaption>This place</figcaption>
            </figure>
          )}
          {nearest.nearest && (
            <figure>
              {good?.picture && good.sourceRef === sourceRef ? (
                <Crop picture={good.picture} area={nearest.nearest.area} label={`The most alike place, in ${nameOf(nearest.nearest.sourceRef)}`} />
              ) : good?.error ? (
                <p role="alert">{good.error}</p>
              ) : (
                <Spinner />
              )}
              <figcaption>
                The most alike place of the good pictures that the model compares with, in <code title={nearest.nearest.sourceRef}>{nameOf(nearest.nearest.sourceRef)}</code>
              </figcaption>
            </figure>
          )}
          {nearest.reason && <p>{nearest.reason}</p>}
        </>
      )}
      <p className="why-hint">Click another place of the picture to ask about it.</p>
    </aside>
  );
}
