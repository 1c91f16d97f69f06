// Thumbnails of some named pictures, for pages that are no gallery.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useSession } from '../session/session.tsx';
import { fetchThumbnails } from './dataset_source.ts';
import type { Thumbnail } from './rows.ts';

const kMostThumbnails = 128;

/** They come by the names of their pictures, all at once. */
export function useThumbnails(sourceRefs: readonly string[]): ReadonlyMap<string, Thumbnail> {
  const { client } = useSession();
  const query = useQuery({
    queryKey: ['thumbnails', ...sourceRefs],
    enabled: sourceRefs.length > 0,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const found = new Map<string, Thumbnail>();
      for (let from = 0; from < sourceRefs.length; from += kMostThumbnails)
        for (const thumbnail of await fetchThumbnails(client, sourceRefs.slice(from, from + kMostThumbnails), signal)) found.set(thumbnail.sourceRef, thumbnail);
      return found;
    },
  });
  return query.data ?? new Map<string, Thumbnail>();
}
