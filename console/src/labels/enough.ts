// Whether a project has enough labelled pictures to train a model, as the API demands it.
import type { DatasetImageStats } from '../api/generated.ts';

/** Sentences that say what is missing; none if a model can be trained. `test` is undefined if there is one dataset only. */
export function missingForTraining(train: DatasetImageStats | undefined, test: DatasetImageStats | undefined): string[] {
  const missing: string[] = [];
  const need = (have: number | undefined, least: number, what: string) => {
    const more = least - (have ?? 0);
    if (more > 0) missing.push(`${more} more ${what} ${more === 1 ? 'picture is' : 'pictures are'} needed (at least ${least}).`);
  };
  if (test) {
    need(train?.Normal, 10, 'normal training');
    need(test.Normal, 10, 'normal test');
    need(test.Anomaly, 10, 'anomalous test');
  } else {
    need(train?.Normal, 20, 'normal');
    need(train?.Anomaly, 10, 'anomalous');
  }
  return missing;
}
