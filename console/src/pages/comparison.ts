// Two versions of a model, compared on the pictures that both judged.
import type { EvaluatedPicture } from '../api/generated.ts';

export interface Pair {
  sourceRef: string;
  isAnomaly: boolean;
  anomalyLabels: readonly string[];
  first: EvaluatedPicture;
  second: EvaluatedPicture;
}

export type Cell = 'bothRight' | 'onlyFirst' | 'onlySecond' | 'bothWrong';

export interface Comparison {
  cells: Record<Cell, Pair[]>;
  /** The number of pictures that only one of the two judged. */
  firstAlone: number;
  secondAlone: number;
  /** The number of pictures whose label was another one for the second version than for the first. */
  relabelled: number;
}

const isRight = ({ Label, Verdict }: EvaluatedPicture) => Label === Verdict;

export function compare(first: readonly EvaluatedPicture[], second: readonly EvaluatedPicture[]): Comparison {
  const judged = (pictures: readonly EvaluatedPicture[]) => new Map(pictures.filter(({ Verdict, Label }) => Verdict && Label).map((picture) => [picture.SourceRef!, picture]));
  const [left, right] = [judged(first), judged(second)];
  const out: Comparison = { cells: { bothRight: [], onlyFirst: [], onlySecond: [], bothWrong: [] }, firstAlone: 0, secondAlone: 0, relabelled: 0 };
  for (const [sourceRef, a] of left) {
    const b = right.get(sourceRef);
    if (!b) out.firstAlone++;
    else if (a.Label !== b.Label) out.relabelled++;
    else
      out.cells[isRight(a) ? (isRight(b) ? 'bothRight' : 'onlyFirst') : isRight(b) ? 'onlySecond' : 'bothWrong'].push({
        sourceRef,
        isAnomaly: a.Label === 'anomaly',
        anomalyLabels: b.AnomalyLabels ?? a.AnomalyLabels ?? [],
        first: a,
        second: b,
      });
  }
  for (const sourceRef of right.keys()) if (!left.has(sourceRef)) out.secondAlone++;
  return out;
}

/**
 * The exact two-sided test of McNemar: how probable a split of the pictures that only one version judges rightly is that is at
 * least as uneven, if both were equally good. McNemar, Psychometrika 12 (1947); the exact form is the sign test.
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  const least = Math.min(onlyFirst, onlySecond);
  if (2 * least >= n) return 1;
  // The terms n over k, divided by 2^n, in logarithms: they are small and many.
  let term = -n * Math.LN2;
  let sum = Math.exp(term);
  for (let k = 1; k <= least; k++) {
    term += Math.log((n - k + 1) / k);
    sum += Math.exp(term);
  }
  return Math.min(1, 2 * sum);
}

/** Which version is better, in words. `first` and `second` are what they are called. */
export function judge(onlyFirst: number, onlySecond: number, first: string, second: string): string {
  const n = onlyFirst + onlySecond;
  if (n === 0) return 'Both versions are right and wrong on the same pictures.';
  const p = mcnemar(onlyFirst, onlySecond);
  const chance = p < 0.001 ? 'less than 0.1 %' : `${(100 * p).toPrecision(2)} %`;
  const split = `Of ${n} ${n === 1 ? 'picture' : 'pictures'} that only one of them judges rightly, ${first} has ${onlyFirst} and ${second} has ${onlySecond}.`;
  if (onlyFirst === onlySecond) return `${split} Neither is better on these pictures.`;
  const better = onlyFirst > onlySecond ? first : second;
  return p < 0.05
    ? `${split} ${better} is better: were both equally good, chance would split them so unevenly, or more, in ${chance} of the cases (exact McNemar test).`
    : `${split} That may well be chance: were both equally good, they would be split so unevenly, or more, in ${chance} of the cases (exact McNemar test).`;
}
