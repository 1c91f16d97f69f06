import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluatedPicture } from '../api/generated.ts';
import { f1Of, outlook, pointOf, type Point } from './learning.ts';

const verdicts = (found: number, missed: number, alarms: number, good: number): EvaluatedPicture[] => {
  const some = (count: number, Label: 'normal' | 'anomaly', Verdict: 'normal' | 'anomaly') => Array.from({ length: count }, () => ({ Label, Verdict }));
  return [...some(found, 'anomaly', 'anomaly'), ...some(missed, 'anomaly', 'normal'), ...some(alarms, 'normal', 'anomaly'), ...some(good, 'normal', 'normal')];
};

test('The F1 score is that of the counts, within its interval, which narrows with more pictures', () => {
  const few = f1Of(verdicts(8, 2, 1, 30))!;
  assert.ok(Math.abs(few.value - 16 / 19) < 1e-12);
  assert.ok(few.low < few.value && few.value < few.high && few.high <= 1);
  const many = f1Of(verdicts(80, 20, 10, 300))!;
  assert.ok(Math.abs(many.value - few.value) < 1e-12);
  assert.ok(many.high - many.low < few.high - few.low);
  assert.equal(f1Of(verdicts(0, 0, 0, 9)), undefined);
  assert.equal(f1Of([{ SkippedReason: 'It is no picture.' }]), undefined);
});

test('A point has the figures of its evaluation', () => {
  const summary = { TrainingImageCount: 40, Metrics: { ROCAUC: 0.9 }, Intervals: [{ MetricName: 'ROCAUC' as const, Low: 0.8, High: 0.95 }] };
  const point = pointOf('3', summary, verdicts(8, 2, 1, 30));
  assert.deepEqual(point.auroc, { value: 0.9, low: 0.8, high: 0.95 });
  assert.equal(point.pictures, 40);
  assert.equal(pointOf('3', {}, []).auroc, undefined);
});

const point = (version: string, pictures: number, value: number, half: number): Point => ({ version, pictures, f1: { value, low: value - half, high: value + half }, auroc: undefined });

test('The words follow the figures and their intervals', () => {
  assert.match(outlook([]), /No version/);
  assert.match(outlook([point('1', 40, 0.8, 0.1)]), /Only one version/);
  assert.match(outlook([point('1', 40, 0.8, 0.1), point('2', 44, 0.9, 0.1)]), /quarter more/);
  assert.match(outlook([point('1', 40, 0.7, 0.05), point('2', 80, 0.9, 0.04)]), /likely to help further/);
  assert.match(outlook([point('1', 40, 0.8, 0.1), point('2', 80, 0.84, 0.1)]), /may be chance/);
  assert.match(outlook([point('1', 40, 0.84, 0.1), point('2', 80, 0.84, 0.1)]), /no gain/);
  assert.match(outlook([point('1', 40, 0.9, 0.05), point('2', 80, 0.7, 0.05)]), /harder/);
  assert.match(outlook([point('1', 40, 0.9, 0.05), point('2', 80, 0.99, 0.01)]), /little left/);
});

test('The largest version is compared with the largest one that is clearly smaller, in any order', () => {
  const text = outlook([point('5', 200, 0.8, 0.1), point('1', 40, 0.3, 0.1), point('2', 100, 0.78, 0.1), point('4', 190, 0.9, 0.1)]);
  assert.match(text, /From 100 to 200/);
});
