// Loads pictures and masks from buckets for the large view.
import type { S3 } from '../api/s3.ts';
import { decodePicture } from '../pictures/decode.ts';
import { fetchObject } from '../pictures/load.ts';
import type { LoadPicture } from './large_view.tsx';

export const pictureLoader =
  (s3: S3): LoadPicture =>
  async (sourceRef, signal) =>
    decodePicture(await fetchObject(s3, sourceRef, { signal }));
