// Sends pictures of this computer below a prefix of a bucket, for operations that take their pictures from a bucket.
import type { S3 } from '../api/s3.ts';
import { plural } from '../app/format.ts';
import type { FoundFile } from './collect.ts';
import { bucketTarget } from './dataset_target.ts';
import { Upload, type UploadProgress, type UploadTarget } from './upload.ts';

/** Returns the bucket and the keys that the pictures have in it. A second call with the same prefix goes on where the first one ended. Throws if one of them was not sent. */
export async function sendPictures(s3: S3, bucket: string, files: FoundFile[], prefix: string, onProgress: (progress: UploadProgress) => void): Promise<{ Bucket: string; Keys: string[] }> {
  const items = files.map(({ path, file }) => ({ path, file, label: null }));
  const keys = new Set<string>();
  const add: UploadTarget['add'] = async (pictures) => pictures.forEach(({ key }) => keys.add(key));
  const upload = new Upload(items, prefix, { ...bucketTarget(s3, bucket, prefix), add }, onProgress);
  await upload.run();
  const { failures, problem } = upload.progress;
  if (problem) throw new Error(problem);
  if (failures[0]) throw new Error(`${plural(failures.length, 'file was', 'files were')} not sent, such as ${failures[0].item.path}: ${failures[0].reason}`);
  return { Bucket: bucket, Keys: [...keys].sort() };
}
