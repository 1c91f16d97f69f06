import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluatedPicture } from '../api/generated.ts';
import { kAnomaly, kNormal } from '../gallery/rows.ts';
import { confusionOf, rowsOf } from './confusion.ts';

const picture = (name: string, Label: 'normal' | 'anomaly', AnomalyScore: number, more: Partial<EvaluatedPicture> = {}): EvaluatedPicture => ({
  SourceRef: `s3://b/${name}`,
  Label,
  Verdict: AnomalyScore >= 1 ? 'anomaly' : 'normal',
  Confidence: 0.9,
  AnomalyScore,
  ...more,
});
const pictures = [
  picture('a.png', 'normal', 0.2),
  picture('b.png', 'normal', 1.2),
  picture('c.png', 'anomaly', 3, { AnomalyLabels: ['scratch'] }),
  picture('d.png', 'anomaly', 0.5, { AnomalyLabels: ['scratch', 'dent'] }),
  picture('e.png', 'anomaly', 2),
  { SourceRef: 's3://b/f.png', SkippedReason: 'It is no picture.' },
];
const table = (threshold?: number) => confusionOf(rowsOf(pictures, threshold)).map(({ name, calledNormal, calledAnomalous }) => [name, calledNormal, calledAnomalous]);

test('Each class is counted by its verdicts; a picture with two labels counts in both', () => {
  assert.deepEqual(table(), [
    ['Normal', 1, 1],
    ['dent', 1, 0],
    ['scratch', 1, 1],
    ['Anomaly without a label', 0, 1],
  ]);
});

test('The counts follow a threshold, which a score reaches from itself on', () => {
  assert.deepEqual(table(2), [
    ['Normal', 2, 0],
    ['dent', 1, 0],
    ['scratch', 1, 1],
    ['Anomaly without a label', 0, 1],
  ]);
  assert.deepEqual(table(2.5).at(-1), ['Anomaly without a label', 1, 0]);
});

test('Without labels there are the two classes, and none that has no picture', () => {
  assert.deepEqual(
    confusionOf(rowsOf([picture('a.png', 'normal', 0.2), picture('b.png', 'anomaly', 2)])).map(({ name }) => name),
    ['Normal', 'Anomaly'],
  );
  assert.deepEqual(
    confusionOf(rowsOf([picture('a.png', 'normal', 0.2)])).map(({ name }) => name),
    ['Normal'],
  );
});

test('A verdict that the threshold turned round has the confidence of the other class', () => {
  const [asTrained] = rowsOf([picture('a.png', 'normal', 1.2)]);
  assert.equal(asTrained!.verdict, kAnomaly);
  assert.equal(asTrained!.confidence, 0.9);
  const [moved] = rowsOf([picture('a.png', 'normal', 1.2)], 2);
  assert.equal(moved!.verdict, kNormal);
  assert.ok(Math.abs(moved!.confidence! - 0.1) < 1e-12);
});

test('What the model cannot judge stays anomalous at every threshold', () => {
  const rows = rowsOf([picture('a.png', 'normal', 1.2, { VerdictReason: 'It is too dark.' })], 2);
  assert.equal(rows[0]!.verdict, kAnomaly);
});

test('A class has its pictures and no others', () => {
  const rows = rowsOf(pictures);
  for (const one of confusionOf(rows)) assert.equal(rows.filter(one.has).length, one.calledNormal + one.calledAnomalous, one.name);
});
