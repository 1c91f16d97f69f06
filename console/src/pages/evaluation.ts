// What the training of a version found out.
import type { EvaluatedPicture, ModelEvaluation } from '../api/generated.ts';

export interface Evaluation {
  summary: ModelEvaluation;
  pictures: EvaluatedPicture[];
}

/** The 95 % interval of a figure. */
export function rangeOf({ Intervals }: ModelEvaluation, name: string): [number, number] | undefined {
  const found = Intervals?.find(({ MetricName }) => MetricName === name);
  return found && [found.Low!, found.High!];
}

