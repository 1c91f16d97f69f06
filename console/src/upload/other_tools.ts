// What other labelling tools exported: where their files go, and how what the server makes of them becomes datasets.
import type { Client, Output } from '../api/client.ts';
import { clientToken } from '../api/client.ts';
import { isNotFound } from '../api/errors.ts';
import type { S3 } from '../api/s3.ts';
import { settledDataset, updateEntries } from '../labels/update.ts';
import type { FoundFile } from './collect.ts';

export type Conversion = Output<'ConvertAnnotations'>;
type DatasetType = 'train' | 'test';

/** Files without the hidden ones, below the folder that all of them share: that is the folder which was exported. */
export function exportedFiles(files: FoundFile[]): FoundFile[] {
  const shown = files.filter(({ path }) => !path.split('/').some((part) => part.startsWith('.') || part === '__MACOSX'));
  let parts = shown.map(({ path }) => path.split('/'));
  while (parts.length && parts.every((one) => one.length > 1 && one[0] === parts[0]![0])) parts = parts.map((one) => one.slice(1));
  return shown.map(({ file }, i) => ({ file, path: parts[i]!.join('/') }));
}

/** Whether a project has a dataset. */
async function has(client: Client, project: string, type: DatasetType): Promise<boolean> {
  try {
    await client.call('DescribeDataset', { ProjectName: project, DatasetType: type });
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/**
 * Makes datasets of what was converted: each becomes the dataset of its type, or is added to the one that there is. Pictures that a
 * dataset holds already get the labels of the other tool. Resolves when the datasets hold everything. After `signal` no more is
 * changed; what was under way then may yet take effect.
 */
export async function takeOver(client: Client, s3: S3, project: string, bucket: string, conversion: Conversion, onlyInto?: DatasetType, signal?: AbortSignal): Promise<void> {
  const parts: [DatasetType, string][] = [];
  if (conversion.Train?.ManifestKey) parts.push([onlyInto ?? 'train', conversion.Train.ManifestKey]);
  if (conversion.Test?.ManifestKey) parts.push([onlyInto ?? 'test', conversion.Test.ManifestKey]);
  for (const [type, key] of parts) {
    const isThere = await has(client, project, type);
    signal?.throwIfAborted();
    if (isThere) {
      const lines = (await (await s3.get({ bucket, key })).text()).split('\n').filter(Boolean);
      if (!lines.length) continue;
      await settledDataset(client, project, type);
      signal?.throwIfAborted();
      await updateEntries(client, project, type, lines, () => signal?.throwIfAborted());
    } else {
      const GroundTruthManifest = { S3Object: { Bucket: bucket, Key: key } };
      await client.call('CreateDataset', { ProjectName: project, DatasetType: type, DatasetSource: { GroundTruthManifest }, ClientToken: clientToken() });
      await settledDataset(client, project, type);
    }
  }
}
