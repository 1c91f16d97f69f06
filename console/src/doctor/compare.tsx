// One picture, or two side by side, as large as the dialog allows.
import { useEffect, useState } from 'react';
import Box from '@cloudscape-design/components/box';
import Modal from '@cloudscape-design/components/modal';
import Spinner from '@cloudscape-design/components/spinner';
import { sentenceOf } from '../api/errors.ts';
import { pictureLoader } from '../gallery/picture_loader.ts';
import { nameOf } from '../gallery/rows.ts';
import { PictureCanvas } from '../pictures/picture_canvas.tsx';
import { useSession } from '../session/session.tsx';
import { keyOf, type Picture } from './findings.ts';

export function Compare({ pictures, onClose }: { pictures: readonly Picture[]; onClose(): void }) {
  return (
    <Modal visible size="max" header={pictures.map(({ sourceRef }) => nameOf(sourceRef)).join(' and ')} closeAriaLabel="Close" onDismiss={onClose}>
      <div className="doctor-compare">
        {pictures.map((picture) => (
          <Large key={keyOf(picture)} picture={picture} />
        ))}
      </div>
    </Modal>
  );
}

function Large({ picture: { type, sourceRef } }: { picture: Picture }) {
  const { s3 } = useSession();
  const [bitmap, setBitmap] = useState<ImageBitmap>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const abort = new AbortController();
    pictureLoader(s3)(sourceRef, abort.signal).then(
      (loaded) => (abort.signal.aborted ? loaded.close() : setBitmap(loaded)),
      (error: unknown) => !abort.signal.aborted && setProblem(sentenceOf(error)),
    );
    return () => abort.abort();
  }, [s3, sourceRef]);
  useEffect(() => () => bitmap?.close(), [bitmap]);
  return (
    <figure>
      {bitmap ? <PictureCanvas picture={bitmap} label={nameOf(sourceRef)} /> : problem ? <Box color="text-status-error">{problem}</Box> : <Spinner size="large" />}
      <figcaption>
        {type === 'train' ? 'Training' : 'Test'}: {sourceRef}
      </figcaption>
    </figure>
  );
}
