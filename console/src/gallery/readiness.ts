// What a project lacks before it can train.
//   The least numbers are those of the original service: more if one dataset must serve for training and test.
import type { GalleryRow } from './rows.ts';
import { kAnomaly } from './rows.ts';

interface Stats {
  Normal?: number;
  Anomaly?: number;
}

const kLeast = {
  single: { normal: 20, anomaly: 10, perLabel: 20 },
  train: { normal: 10, anomaly: 0, perLabel: 10 },
  test: { normal: 10, anomaly: 10 },
};

/** What a project with one dataset needs, for people who are about to bring pictures. */
export const kEnough = `A training needs at least ${kLeast.single.normal} pictures of good parts and ${kLeast.single.anomaly} of bad ones.`;

/** The pictures that show one anomaly label only, by label: those count for a model that draws masks. */
export function aloneByLabel(rows: readonly GalleryRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) {
    if (row.label !== kAnomaly || !row.maskRef) continue;
    for (const label of row.anomalyLabels) counts.set(label, (counts.get(label) ?? 0) + (row.anomalyLabels.length === 1 ? 1 : 0));
  }
  return counts;
}

/** Sentences that say what is missing; none if the training can begin. `alone` is that of the training dataset, if it is known. */
export function missingForTraining(train: Stats | null | undefined, test: Stats | null | undefined, alone?: ReadonlyMap<string, number>): string[] {
  if (!train) return ['There is no training dataset.'];
  const missing: string[] = [];
  const need = (what: string, where: string, have: number | undefined, least: number) => {
    if ((have ?? 0) < least) missing.push(`${where} needs ${least} pictures labelled as ${what}, and has ${have ?? 0}.`);
  };
  const least = test ? kLeast.train : kLeast.single;
  const name = test ? 'The training dataset' : 'The dataset';
  need('normal', name, train.Normal, least.normal);
  need('anomaly', name, train.Anomaly, least.anomaly);
  if (test) {
    need('normal', 'The test dataset', test.Normal, kLeast.test.normal);
    need('anomaly', 'The test dataset', test.Anomaly, kLeast.test.anomaly);
  }
  const best = alone && [...alone].sort((a, b) => b[1] - a[1])[0];
  if (best && best[1] < least.perLabel)
    missing.push(`At least one anomaly label needs ${least.perLabel} pictures with masks that show only this label; “${best[0]}” has ${best[1]}.`);
  return missing;
}
