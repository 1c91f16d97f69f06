// The pictures of a dataset as the source of a gallery.
import type { Client } from '../api/client.ts';
import { kAnomaly, kNormal, kUnlabelled, nameOf, type GalleryRow, type GallerySource, type Thumbnail } from './rows.ts';
import type { DatasetType } from './saving.ts';

/** Thumbnails of objects, for every gallery whose pictures lie in buckets. */
export async function fetchThumbnails(client: Client, sourceRefs: string[], signal: AbortSignal): Promise<Thumbnail[]> {
  const { Thumbnails } = await client.call('GetThumbnails', { SourceRefs: sourceRefs }, { signal });
  return (Thumbnails ?? []).map(({ SourceRef, Jpeg, Reason }) =>
    Jpeg ? { sourceRef: SourceRef!, jpeg: Jpeg } : { sourceRef: SourceRef!, reason: Reason || 'There is no thumbnail of this picture.' },
  );
}

export function datasetSource(client: Client, project: string, type: DatasetType): GallerySource {
  return {
    async list(offset, count, signal) {
      const input = { ProjectName: project, DatasetType: type, Offset: offset, MaxResults: count };
      const { TotalCount, Images } = await client.call('ListDatasetImages', input, { signal });
      const rows = (Images ?? []).map((image): GalleryRow => ({
        sourceRef: image.SourceRef!,
        name: nameOf(image.SourceRef!),
        label: image.Label === 'NORMAL' ? kNormal : image.Label === 'ANOMALY' ? kAnomaly : kUnlabelled,
        anomalyLabels: image.AnomalyLabels ?? [],
        maskRef: image.MaskRef,
        date: image.CreationDate === undefined ? undefined : image.CreationDate * 1000,
      }));
      return { total: TotalCount ?? rows.length, rows };
    },
    thumbnails: (sourceRefs, signal) => fetchThumbnails(client, sourceRefs, signal),
  };
}
