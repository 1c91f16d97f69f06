// What a model sees in a picture: its heat map and its mask, and why. Each is asked for once and kept for a while.
import { useQuery } from '@tanstack/react-query';
import type { PictureArea } from '../api/generated.ts';
import { greyMapOf, hottestOf } from '../pictures/grey_map.ts';
import { overlayOfMap, overlayOfMask } from '../pictures/overlay.ts';
import { useSession } from '../session/session.tsx';

/** The model that looks. */
export interface Looking {
  project: string;
  version: string;
  /** What else people must know about its heat maps of these pictures. */
  note?: string;
}

/** A picture in a bucket, or one of this computer with a name that no other one has. */
export type Looked = { sourceRef: string } | { image: string; name: string };

/** A place in a picture, as parts of its width and height. */
export interface Place {
  x: number;
  y: number;
}

export interface Seen {
  heat: ImageBitmap;
  /** Undefined if the model marks nothing. */
  mask: ImageBitmap | undefined;
  hottest: Place;
  isAnomalous: boolean;
}

const inputOf = (looked: Looked) => ('image' in looked ? { Image: looked.image } : { SourceRef: looked.sourceRef });
const nameOf = (looked: Looked) => ('image' in looked ? looked.name : looked.sourceRef);
/** Maps and masks are small, but pictures are many. */
const kKept = { staleTime: Infinity, gcTime: 120_000, retry: false } as const;

export function useLook({ project, version }: Looking, looked: Looked | undefined, isWanted: boolean) {
  const { client } = useSession();
  return useQuery({
    queryKey: ['look', project, version, looked && nameOf(looked)],
    enabled: isWanted && !!looked,
    ...kKept,
    queryFn: async ({ signal }): Promise<Seen> => {
      const answer = await client.call('ComputeAnomalyMap', { ProjectName: project, ModelVersion: version, ...inputOf(looked!) }, { signal });
      const map = await greyMapOf(answer.Map ?? '');
      return {
        heat: await overlayOfMap(map, answer.MapThreshold ?? 128),
        mask: answer.AnomalyMask ? await overlayOfMask(answer.AnomalyMask) : undefined,
        hottest: hottestOf(map),
        isAnomalous: answer.IsAnomalous ?? false,
      };
    },
  });
}

export interface Nearest {
  area: PictureArea | undefined;
  nearest: { sourceRef: string; area: PictureArea } | undefined;
  reason: string | undefined;
}

export function useNearest({ project, version }: Looking, looked: Looked | undefined, place: Place | undefined, size: { width: number; height: number } | undefined) {
  const { client } = useSession();
  return useQuery({
    queryKey: ['nearest', project, version, looked && nameOf(looked), place],
    enabled: !!looked && !!place && !!size,
    ...kKept,
    queryFn: async ({ signal }): Promise<Nearest> => {
      const pixel = (share: number, pixels: number) => Math.min(pixels - 1, Math.max(0, Math.floor(share * pixels)));
      const answer = await client.call(
        'FindNearestPatch',
        { ProjectName: project, ModelVersion: version, ...inputOf(looked!), Place: { X: pixel(place!.x, size!.width), Y: pixel(place!.y, size!.height) } },
        { signal },
      );
      const { NearestSourceRef: sourceRef, NearestArea: area } = answer;
      return { area: answer.Area, nearest: sourceRef && area ? { sourceRef, area } : undefined, reason: answer.Reason };
    },
  });
}
