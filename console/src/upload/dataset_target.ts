// Where an upload goes: to a bucket, and from there into a dataset.
import { isNotFound } from '../api/errors.ts';
import { s3Uri, type S3 } from '../api/s3.ts';
import { anomalyLine, normalLine, unlabelledLine } from '../labels/lines.ts';
import { settledDataset, updateEntries } from '../labels/update.ts';
import type { Session } from '../session/session.tsx';
import { tar } from './tar.ts';
import type { UploadTarget } from './upload.ts';

const kPage = 5000;

export interface UploadPlace {
  project: string;
  type: 'train' | 'test';
  bucket: string;
  /** What the keys of the pictures begin with; ends with a slash. */
  prefix: string;
}

/** The pictures that a dataset holds. */
async function heldBy({ client }: Pick<Session, 'client'>, place: UploadPlace): Promise<Set<string>> {
  const held = new Set<string>();
  for (let offset = 0, total = 1; offset < total; offset += kPage) {
    const page = await client.call('ListDatasetImages', { ProjectName: place.project, DatasetType: place.type, Offset: offset, MaxResults: kPage });
    total = page.TotalCount ?? 0;
    for (const { SourceRef } of page.Images ?? []) held.add(SourceRef!);
  }
  return held;
}

/** Sends pictures to a bucket, to keys that begin with the prefix. */
export function bucketTarget(s3: S3, bucket: string, prefix: string): Omit<UploadTarget, 'add'> {
  return {
    list: async () => new Map((await s3.listAll(bucket, prefix)).map(({ key, size, etag }) => [key, { size, etag }])),
    put: (key, body, contentType, signal) => s3.put({ bucket, key }, body, contentType, { signal }),
    putPack: (files, signal) => s3.putUnpacked({ bucket, key: `${prefix}upload.tar` }, tar(files.map(({ key, body }) => ({ name: key, body }))), { signal }),
  };
}

/** Sends pictures to a bucket and adds them to a dataset, which is made if there is none. */
export function datasetTarget(session: Pick<Session, 'client' | 's3'>, place: UploadPlace): UploadTarget {
  const { client, s3 } = session;
  const line = { normal: normalLine, anomaly: anomalyLine };
  let held: Set<string> | undefined;
  return {
    ...bucketTarget(s3, place.bucket, place.prefix),
    async add(pictures) {
      try {
        await settledDataset(client, place.project, place.type);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        await client.call('CreateDataset', { ProjectName: place.project, DatasetType: place.type });
        await settledDataset(client, place.project, place.type);
      }
      // A line replaces the one that the dataset has: labels and masks of pictures that it holds already must stay.
      held ??= await heldBy(session, place);
      const fresh = pictures.map(({ key, label }) => ({ sourceRef: s3Uri({ bucket: place.bucket, key }), label })).filter(({ sourceRef }) => !held!.has(sourceRef));
      const lines = fresh.map(({ sourceRef, label }) => (label ? line[label](sourceRef) : unlabelledLine(sourceRef)));
      if (lines.length) await updateEntries(client, place.project, place.type, lines);
      for (const { sourceRef } of fresh) held.add(sourceRef);
    },
  };
}

