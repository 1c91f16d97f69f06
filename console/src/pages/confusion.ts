// Which class of pictures the model calls normal or anomalous, and how often.
import type { EvaluatedPicture } from '../api/generated.ts';
import { kAnomaly, kNormal, kUnlabelled, nameOf, type GalleryRow } from '../gallery/rows.ts';

const classOf = (name: 'normal' | 'anomaly' | undefined) => (name === 'normal' ? kNormal : name === 'anomaly' ? kAnomaly : kUnlabelled);

/**
 * The judged pictures as rows of a gallery. With a threshold, a picture is called anomalous if its score reaches it, or
 * the model cannot judge it at all, and the confidence is that in this verdict; without one, the verdicts are those of the training.
 */
export function rowsOf(pictures: readonly EvaluatedPicture[], threshold?: number): GalleryRow[] {
  return pictures
    .filter(({ SkippedReason }) => !SkippedReason)
    .map(({ SourceRef, Label, Verdict, AnomalyScore, Confidence, AnomalyLabels, VerdictReason }) => {
      const trained = classOf(Verdict);
      const verdict = threshold === undefined || AnomalyScore === undefined || VerdictReason ? trained : AnomalyScore >= threshold ? kAnomaly : kNormal;
      return {
        sourceRef: SourceRef!,
        name: nameOf(SourceRef!),
        label: classOf(Label),
        anomalyLabels: AnomalyLabels ?? [],
        verdict,
        score: AnomalyScore,
        confidence: verdict === trained || Confidence === undefined ? Confidence : 1 - Confidence,
      };
    });
}

export interface ActualClass {
  name: string;
  isAnomaly: boolean;
  calledNormal: number;
  calledAnomalous: number;
  /** Whether a picture belongs to the class. One that shows several kinds of defects belongs to each. */
  has(row: GalleryRow): boolean;
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** The classes that occur: normal, then each anomaly label, then anomalies without a label. */
export function confusionOf(rows: readonly GalleryRow[]): ActualClass[] {
  const labels = [...new Set(rows.flatMap(({ label, anomalyLabels }) => (label === kAnomaly ? anomalyLabels : [])))].sort(collator.compare);
  const classes: Pick<ActualClass, 'name' | 'isAnomaly' | 'has'>[] = [
    { name: 'Normal', isAnomaly: false, has: ({ label }) => label === kNormal },
    ...labels.map((name) => ({ name, isAnomaly: true, has: ({ label, anomalyLabels }: GalleryRow) => label === kAnomaly && anomalyLabels.includes(name) })),
    { name: labels.length ? 'Anomaly without a label' : 'Anomaly', isAnomaly: true, has: ({ label, anomalyLabels }) => label === kAnomaly && anomalyLabels.length === 0 },
  ];
  return classes
    .map((one) => {
      const own = rows.filter(one.has);
      const calledAnomalous = own.filter(({ verdict }) => verdict === kAnomaly).length;
      return { ...one, calledAnomalous, calledNormal: own.length - calledAnomalous };
    })
    .filter(({ calledNormal, calledAnomalous }) => calledNormal + calledAnomalous > 0);
}
