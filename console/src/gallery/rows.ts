// The rows of a gallery: pictures with their labels and, where a model judged them, its verdicts.

export const kUnlabelled = 0;
export const kNormal = 1;
export const kAnomaly = 2;
export type Label = typeof kUnlabelled | typeof kNormal | typeof kAnomaly;

export const kLabelNames: Record<Label, string> = { [kUnlabelled]: 'Unlabelled', [kNormal]: 'Normal', [kAnomaly]: 'Anomaly' };

export interface GalleryRow {
  /** s3://bucket/key; no two rows of a gallery share it. */
  sourceRef: string;
  /** What is written below the picture: the last part of the key. */
  name: string;
  /** The label that the source holds. */
  label: Label;
  anomalyLabels: readonly string[];
  /** The mask that was labelled. */
  maskRef?: string;
  /** The mask that a model drew, if it is kept. */
  predictedMaskRef?: string;
  /** Milliseconds since 1970. */
  date?: number;
  /** What a model said: its class, the anomaly score (0 or more) and the confidence in the class (0 … 1). */
  verdict?: Label;
  score?: number;
  confidence?: number;
  /** What is said in the place of the verdict, such as the verdicts of two models. */
  remark?: string;
  /** The label cannot be changed, such as that of a picture that a trial did not judge. */
  isFixed?: true;
}

export const nameOf = (sourceRef: string) => sourceRef.slice(sourceRef.replace(/\/+$/, '').lastIndexOf('/') + 1);

/** One thumbnail as base64, or the reason why there is none. */
export type Thumbnail = { sourceRef: string; jpeg: string } | { sourceRef: string; reason: string };

/** Where a gallery has its pictures from: a dataset, a trial detection, the test results of a model. */
export interface GallerySource {
  /** The rows from a place on, which counts from 0; fewer than `count` only at the end. */
  list(offset: number, count: number, signal: AbortSignal): Promise<{ total: number; rows: GalleryRow[] }>;
  /** At most 128 thumbnails, in any order. */
  thumbnails(sourceRefs: string[], signal: AbortSignal): Promise<Thumbnail[]>;
}
