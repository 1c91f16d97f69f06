import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countAt, histogram, interval, ScoreAxis, thresholdFor, type Judged } from './threshold.ts';

const judged = (normal: number[], anomaly: number[]): Judged[] => [
  ...normal.map((score, i) => ({ sourceRef: `n${i}`, score, isAnomaly: false })),
  ...anomaly.map((score, i) => ({ sourceRef: `a${i}`, score, isAnomaly: true })),
];

test('A score on the threshold is anomalous', () => {
  const counts = countAt(judged([1, 2, 3], [3, 4]), 3);
  assert.deepEqual([counts.truePositives, counts.falsePositives, counts.trueNegatives, counts.falseNegatives], [2, 1, 2, 0]);
  assert.equal(counts.recall, 1);
  assert.equal(counts.precision, 2 / 3);
  assert.equal(counts.falseAlarmRate, 1 / 3);
});

test('What the model cannot judge is anomalous at every threshold', () => {
  const counts = countAt([...judged([1], [5]), { sourceRef: 'dark', score: 0.1, isAnomaly: true, isAlwaysAnomalous: true }], 3);
  assert.deepEqual([counts.truePositives, counts.falseNegatives], [2, 0]);
});

test('Figures that are not defined are left out', () => {
  assert.equal(countAt(judged([1], []), 5).recall, undefined);
  assert.equal(countAt(judged([1], []), 5).precision, undefined);
});

test('A budget of false alarms is kept, and no threshold below would keep it', () => {
  const pictures = judged([1, 2, 3, 4, 5], [4.5, 6]);
  for (let budget = 0; budget < 5; budget++) {
    const threshold = thresholdFor(pictures, budget)!;
    assert.ok(countAt(pictures, threshold).falsePositives <= budget);
    assert.equal(countAt(pictures, threshold).falsePositives, budget);
  }
  assert.equal(countAt(pictures, thresholdFor(pictures, 1)!).truePositives, 2);
  assert.equal(thresholdFor(judged([], [1]), 0), undefined);
});

test("Wilson's interval of 8 in 10 is that of the tables", () => {
  const [low, high] = interval(8, 10)!;
  assert.ok(Math.abs(low - 0.4902) < 1e-3 && Math.abs(high - 0.9433) < 1e-3);
  assert.equal(interval(0, 0), undefined);
});

test('A histogram counts every picture once', () => {
  const pictures = judged([0, 0.5, 1], [1, 2, 900]);
  const axis = new ScoreAxis(pictures, 1);
  const bins = histogram(pictures, axis, axis.at(0), axis.at(900), 4);
  assert.equal(bins.reduce((sum, bin) => sum + bin.normal, 0), 3);
  assert.equal(bins.reduce((sum, bin) => sum + bin.anomaly, 0), 3);
  assert.equal(bins[3]!.anomaly, 1);
});

test('A place on the axis leads back to its score', () => {
  const axis = new ScoreAxis(judged([-1, -0.5, 0], [3]), 0.2);
  for (const score of [-7, 0.2, 0.3, 40]) assert.ok(Math.abs(axis.scoreAt(axis.at(score)) - score) < 1e-9);
  assert.equal(axis.at(0.2), 0);
});
