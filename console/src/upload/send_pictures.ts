// Sends pictures of this computer below a prefix of the console's bucket, for operations that take their pictures from a bucket.
import { plural } from '../app/format.ts';
import type { Session } from '../session/session.tsx';
import type { FoundFile } from './collect.ts';
import { consoleBucket } from './console_bucket.ts';
import { Upload, type UploadProgress } from './upload.ts';

/** Returns where the pictures are. A second call with the same prefix goes on where the first one ended. Throws if one of them was not sent. */
export async function sendPictures(
  { s3, region }: Pick<Session, 's3' | 'region'>,
  files: FoundFile[],
  prefix: string,
  onProgress: (progress: UploadProgress) => void,
): Promise<{ Bucket: string; Prefix: string }> {
  const bucket = await consoleBucket(s3, region);
  const items = files.map(({ path, file }) => ({ path, file, label: null }));
  const target = {
    list: async () => new Map((await s3.listAll(bucket, prefix)).map(({ key, size, etag }) => [key, { size, etag }])),
    put: (key: string, body: Uint8Array, type: string, signal: AbortSignal) => s3.put({ bucket, key }, body, type, { signal }),
    add: async () => {},
  };
  const upload = new Upload(items, prefix, target, onProgress);
  await upload.run();
  const { failures, problem } = upload.progress;
  if (problem) throw new Error(problem);
  if (failures[0]) throw new Error(`${plural(failures.length, 'file was', 'files were')} not sent, such as ${failures[0].item.path}: ${failures[0].reason}`);
  return { Bucket: bucket, Prefix: prefix };
}
