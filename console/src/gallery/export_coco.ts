// The labels and masks of a dataset as a COCO file, which the server makes.
import type { Client, Output } from '../api/client.ts';
import { clientToken } from '../api/client.ts';
import type { S3 } from '../api/s3.ts';
import { saveFile } from '../app/save_file.ts';
import type { DatasetType } from './saving.ts';

/** Has the file made in the bucket of the pictures, and gives it to the person. Returns what it holds and what it lacks. */
export async function exportCoco(client: Client, s3: S3, bucket: string, project: string, type: DatasetType): Promise<Output<'ExportCocoAnnotations'>> {
  const place = { bucket, key: `projects/${project}/exports/${clientToken()}.json` };
  const done = await client.call('ExportCocoAnnotations', { ProjectName: project, DatasetType: type, Bucket: place.bucket, Key: place.key });
  saveFile(`${project}-${type}-coco.json`, [await (await s3.get(place)).blob()], 'application/json');
  await s3.delete(place).catch(() => {}); // Who may not delete leaves a file behind.
  return done;
}
