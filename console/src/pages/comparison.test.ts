import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvaluatedPicture } from '../api/generated.ts';
import { compare, judge, mcnemar } from './comparison.ts';

const picture = (name: string, Label: 'normal' | 'anomaly', Verdict: 'normal' | 'anomaly'): EvaluatedPicture => ({ SourceRef: `s3://b/${name}`, Label, Verdict });

test('Pictures that both judged fall into four cells, and the others are counted', () => {
  const first = [
    picture('a', 'normal', 'normal'),
    picture('b', 'normal', 'normal'),
    picture('c', 'anomaly', 'normal'),
    picture('d', 'anomaly', 'normal'),
    picture('e', 'anomaly', 'anomaly'),
    picture('f', 'normal', 'normal'),
    picture('g', 'normal', 'normal'),
    { SourceRef: 's3://b/h', SkippedReason: 'It is no picture.' },
  ];
  const second = [
    picture('a', 'normal', 'normal'),
    picture('b', 'normal', 'anomaly'),
    picture('c', 'anomaly', 'anomaly'),
    picture('d', 'anomaly', 'normal'),
    picture('e', 'normal', 'anomaly'),
    picture('h', 'normal', 'normal'),
    picture('i', 'normal', 'normal'),
  ];
  const { cells, firstAlone, secondAlone, relabelled } = compare(first, second);
  const names = Object.fromEntries(Object.entries(cells).map(([cell, pairs]) => [cell, pairs.map(({ sourceRef }) => sourceRef.at(-1))]));
  assert.deepEqual(names, { bothRight: ['a'], onlyFirst: ['b'], onlySecond: ['c'], bothWrong: ['d'] });
  assert.deepEqual([firstAlone, secondAlone, relabelled], [2, 2, 1]);
});

test('The test has the values of the binomial distribution', () => {
  assert.equal(mcnemar(0, 0), 1);
  assert.equal(mcnemar(3, 3), 1);
  assert.ok(Math.abs(mcnemar(0, 5) - 2 / 32) < 1e-12);
  assert.ok(Math.abs(mcnemar(5, 0) - mcnemar(0, 5)) < 1e-15);
  // 2 (1 + 10 + 45) / 1024
  assert.ok(Math.abs(mcnemar(2, 8) - 112 / 1024) < 1e-12);
  const many = mcnemar(4000, 4400);
  assert.ok(many > 1e-6 && many < 1e-4, String(many));
});

test('The words say who is better only where chance is no likely reason', () => {
  assert.match(judge(0, 0, 'Model 1', 'Model 2'), /same pictures/);
  assert.match(judge(1, 9, 'Model 1', 'Model 2'), /Model 2 is better.*2\.1 %/);
  assert.match(judge(2, 8, 'Model 1', 'Model 2'), /may well be chance.*11 %/);
  assert.match(judge(4, 4, 'Model 1', 'Model 2'), /Neither/);
  assert.match(judge(30, 0, 'Model 1', 'Model 2'), /Model 1 is better.*less than 0\.1 %/);
});
