// Fetches the pictures and masks of datasets.
import { parseS3Uri, type S3 } from '../api/s3.ts';
import { ApiError } from '../api/errors.ts';
import { PictureError } from './decode.ts';

/** The server may take larger files than the API; the memory of a browser sets this limit. */
const kMostBytes = 64 << 20;

/** The bytes of an object, at most `limit`. */
export async function fetchObject(s3: S3, uri: string, options: { signal?: AbortSignal; limit?: number } = {}): Promise<Uint8Array<ArrayBuffer>> {
  const limit = options.limit ?? kMostBytes;
  const location = parseS3Uri(uri);
  if (!location?.key) throw new PictureError(`${uri} is not the address of an object.`);
  let response: Response;
  try {
    response = await s3.get(location, options);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) throw new PictureError(`The object ${uri} does not exist. It may have been deleted or moved.`);
    throw error;
  }
  const length = Number(response.headers.get('content-length') ?? 0);
  if (length > limit) {
    await response.body?.cancel();
    throw new PictureError(`The file has ${length} bytes; at most ${limit} are loaded.`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length > limit) throw new PictureError(`The file has ${bytes.length} bytes; at most ${limit} are loaded.`);
  return bytes;
}
