// Whether more pictures are likely to help, told from the versions that there are.
import type { EvaluatedPicture, ModelEvaluation } from '../api/generated.ts';
import { rangeOf } from './evaluation.ts';
import { interval } from './threshold.ts';

export interface Figure {
  value: number;
  low: number;
  high: number;
}

export interface Point {
  version: string;
  /** The number of training pictures. */
  pictures: number;
  f1: Figure | undefined;
  auroc: Figure | undefined;
}

/**
 * The F1 score with its 95 % interval. With J the share of right verdicts among the pictures that are anomalous or called so
 * (the Jaccard index), F1 is 2 J / (1 + J), and J is a share, whose interval is Wilson's.
 */
export function f1Of(pictures: readonly EvaluatedPicture[]): Figure | undefined {
  let right = 0;
  let all = 0;
  for (const { Label, Verdict } of pictures) {
    if (!Label || !Verdict || (Label === 'normal' && Verdict === 'normal')) continue;
    all++;
    if (Label === Verdict) right++;
  }
  const range = interval(right, all);
  if (!range) return undefined;
  const f1 = (share: number) => (2 * share) / (1 + share);
  return { value: f1(right / all), low: f1(range[0]), high: f1(range[1]) };
}

export function pointOf(version: string, summary: ModelEvaluation, pictures: readonly EvaluatedPicture[]): Point {
  const auroc = summary.Metrics?.ROCAUC;
  const range = rangeOf(summary, 'ROCAUC');
  return {
    version,
    pictures: summary.TrainingImageCount ?? 0,
    f1: f1Of(pictures),
    auroc: auroc === undefined || !range ? undefined : { value: auroc, low: range[0], high: range[1] },
  };
}

/** From so many times the pictures on, two versions tell something about more pictures. */
const kLeastGrowth = 1.25;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Whether more pictures are likely to help, in words. */
export function outlook(points: readonly Point[]): string {
  const known = points.filter((point): point is Point & { f1: Figure } => point.f1 !== undefined && point.pictures > 0);
  if (known.length === 0) return 'No version has results from which this could be told.';
  const sorted = [...known].sort((a, b) => a.pictures - b.pictures || Number(a.version) - Number(b.version));
  const last = sorted.at(-1)!;
  if (last.f1.low >= 0.95)
    return `With ${last.pictures} pictures, Model ${last.version} has an F1 score of ${percent(last.f1.value)}. There is little left to gain with more pictures of the same kind.`;
  if (known.length === 1) return 'Only one version has results. Train another one with at least a quarter more pictures to see what pictures do.';
  // The largest set is compared with the largest one that is clearly smaller.
  const before = sorted.filter(({ pictures }) => pictures * kLeastGrowth <= last.pictures).at(-1);
  if (!before) return 'All versions were trained on about as many pictures. Train one with at least a quarter more to see what pictures do.';
  const [from, to] = [before.f1, last.f1];
  const steps = `From ${before.pictures} to ${last.pictures} pictures, the F1 score went from ${percent(from.value)} to ${percent(to.value)}`;
  if (to.low > from.value && to.value > from.high) return `${steps}, which is more than chance explains. More pictures are likely to help further.`;
  if (to.high < from.value && to.value < from.low)
    return `${steps}. The added pictures are harder, or their labels contradict each other: look at the wrong verdicts, and at labels that look wrong, before you add more.`;
  if (to.value > from.value) return `${steps}, which may be chance. More pictures may help a little; pictures of what the model gets wrong help most.`;
  return `${steps}: no gain. More pictures of the same kind will hardly help; pictures of what the model gets wrong, and better labels, will.`;
}
