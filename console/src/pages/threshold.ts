// What another threshold would do, counted on the pictures that a training judged.
import type { EvaluatedPicture } from '../api/generated.ts';

export interface Judged {
  sourceRef: string;
  score: number;
  isAnomaly: boolean;
  /** The model cannot judge the picture, which is anomalous whatever its score is. */
  isAlwaysAnomalous?: boolean;
}

export interface Counts {
  truePositives: number;
  falsePositives: number;
  trueNegatives: number;
  falseNegatives: number;
  precision: number | undefined;
  recall: number | undefined;
  f1: number | undefined;
  /** The share of good pictures that are called anomalous. */
  falseAlarmRate: number | undefined;
}

export function judgedOf(pictures: EvaluatedPicture[]): Judged[] {
  return pictures.flatMap(({ SourceRef, AnomalyScore, Label, VerdictReason }) =>
    AnomalyScore === undefined || !Label ? [] : [{ sourceRef: SourceRef!, score: AnomalyScore, isAnomaly: Label === 'anomaly', ...(VerdictReason && { isAlwaysAnomalous: true }) }],
  );
}

/** A picture is called anomalous if its score reaches the threshold. */
export function countAt(judged: readonly Judged[], threshold: number): Counts {
  let truePositives = 0;
  let falsePositives = 0;
  let trueNegatives = 0;
  let falseNegatives = 0;
  for (const { score, isAnomaly, isAlwaysAnomalous } of judged) {
    if (isAlwaysAnomalous || score >= threshold) isAnomaly ? truePositives++ : falsePositives++;
    else isAnomaly ? falseNegatives++ : trueNegatives++;
  }
  const share = (part: number, whole: number) => (whole ? part / whole : undefined);
  return {
    truePositives,
    falsePositives,
    trueNegatives,
    falseNegatives,
    precision: share(truePositives, truePositives + falsePositives),
    recall: share(truePositives, truePositives + falseNegatives),
    f1: share(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives),
    falseAlarmRate: share(falsePositives, falsePositives + trueNegatives),
  };
}

/**
 * The lowest threshold at which at most `falseAlarms` of these good pictures are called anomalous: half-way between the
 * score that must pass and the next lower one, so that neither lies on it.
 */
export function thresholdFor(judged: readonly Judged[], falseAlarms: number): number | undefined {
  const good = judged.filter(({ isAnomaly }) => !isAnomaly).map(({ score }) => score);
  if (good.length === 0) return undefined;
  good.sort((a, b) => b - a);
  const above = good[falseAlarms];
  if (above === undefined) return good.at(-1);
  const higher = judged.map(({ score }) => score).filter((score) => score > above);
  const next = higher.length ? Math.min(...higher) : above + Math.max(1e-6, Math.abs(above) * 1e-3);
  return (above + next) / 2;
}

/** Wilson's 95 % interval of a share. Wilson, JASA 22 (1927). */
export function interval(part: number, whole: number): [number, number] | undefined {
  if (whole === 0) return undefined;
  const z = 1.959964;
  const p = part / whole;
  const middle = (p + (z * z) / (2 * whole)) / (1 + (z * z) / whole);
  const half = (z / (1 + (z * z) / whole)) * Math.sqrt((p * (1 - p)) / whole + (z * z) / (4 * whole * whole));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/**
 * Where scores stand on the axis of a histogram. Around the threshold of the training steps are even; far from it they grow,
 * because the scores of clear defects lie far from each other: asinh((score - middle) / unit).
 */
export class ScoreAxis {
  private readonly unit: number;

  constructor(
    judged: readonly Judged[],
    private readonly middle: number,
  ) {
    const distances = judged
      .filter(({ isAnomaly }) => !isAnomaly)
      .map(({ score }) => Math.abs(score - middle))
      .sort((a, b) => a - b);
    this.unit = distances[distances.length >> 1] || 1;
  }
  at(score: number): number {
    return Math.asinh((score - this.middle) / this.unit);
  }
  scoreAt(place: number): number {
    return this.middle + this.unit * Math.sinh(place);
  }
}

export interface Bin {
  /** Scores. */
  from: number;
  to: number;
  normal: number;
  anomaly: number;
}

/** A histogram of the scores in equal steps of the axis, from the place `low` to `high`; the last step holds its upper end, too. */
export function histogram(judged: readonly Judged[], axis: ScoreAxis, low: number, high: number, bins: number): Bin[] {
  const width = (high - low) / bins || 1;
  const list = Array.from({ length: bins }, (_, i) => ({ from: axis.scoreAt(low + i * width), to: axis.scoreAt(low + (i + 1) * width), normal: 0, anomaly: 0 }));
  for (const { score, isAnomaly } of judged) {
    const bin = list[Math.min(bins - 1, Math.max(0, Math.floor((axis.at(score) - low) / width)))]!;
    isAnomaly ? bin.anomaly++ : bin.normal++;
  }
  return list;
}
