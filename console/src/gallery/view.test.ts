import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kAnomaly, kNormal, kUnlabelled, nameOf, type GalleryRow, type Label } from './rows.ts';
import { anomalyLabelsOf, arrange, disagreement, kEverything, type Filter, type LabelsOfRows, type Order, type Query } from './view.ts';

const row = (name: string, label: Label, more: Partial<GalleryRow> = {}): GalleryRow => ({ sourceRef: `s3://b/folder/${name}`, name, label, anomalyLabels: [], ...more });

const rows = [
  row('part10.png', kNormal, { date: 300, verdict: kNormal, confidence: 0.9, score: 1 }),
  row('part2.png', kAnomaly, { date: 100, anomalyLabels: ['scratch'], verdict: kNormal, confidence: 0.8, score: 2 }),
  row('Part1.png', kUnlabelled, { verdict: kAnomaly, confidence: 0.99, score: 9 }),
  row('other.png', kAnomaly, { date: 200, anomalyLabels: ['dent', 'scratch'], verdict: kAnomaly, confidence: 0.6, score: 5 }),
];
const asSaved: LabelsOfRows = { labelOf: (number) => rows[number]!.label, isEdited: (number) => number === 3 };
const shown = (query: Partial<Query>, labels = asSaved) => arrange(rows, labels, { ...kEverything, ...query });

test('Each filter shows the pictures of its name', () => {
  const expected: [Filter, number[]][] = [
    ['all', [0, 1, 2, 3]],
    ['unlabelled', [2]],
    ['labelled', [0, 1, 3]],
    ['normal', [0]],
    ['anomaly', [1, 3]],
    ['edited', [3]],
    ['wrong', [1]],
    ['right', [0, 3]],
    ['label:scratch', [1, 3]],
    ['label:dent', [3]],
    ['label:hole', []],
  ];
  for (const [filter, numbers] of expected) assert.deepEqual(shown({ filter }), numbers, filter);
});

test('Only some can be shown, beside all else that is asked for', () => {
  const only = { title: 'judged', has: ({ verdict }: GalleryRow) => verdict === kAnomaly };
  assert.deepEqual(shown({ only }), [2, 3]);
  assert.deepEqual(shown({ only, filter: 'label:scratch' }), [3]);
  assert.deepEqual(shown({ only, search: 'part' }), [2]);
});

test('Filters look at the labels as the person has changed them', () => {
  const allNormal: LabelsOfRows = { labelOf: () => kNormal, isEdited: () => true };
  assert.deepEqual(shown({ filter: 'normal' }, allNormal), [0, 1, 2, 3]);
  assert.deepEqual(shown({ filter: 'unlabelled' }, allNormal), []);
  assert.deepEqual(shown({ filter: 'wrong' }, allNormal), [2, 3]);
  assert.deepEqual(shown({ filter: 'right' }, allNormal), [0, 1]);
});

test('The search takes parts of names in any case, and only names', () => {
  assert.deepEqual(shown({ search: ' PART1' }), [0, 2]);
  assert.deepEqual(shown({ search: 'folder' }), []);
  assert.deepEqual(shown({ search: 'part', filter: 'labelled' }), [0, 1]);
});

test('Each order sorts, numbers in names count as numbers, and what lacks a value comes last', () => {
  const expected: [Order, number[]][] = [
    ['dataset', [0, 1, 2, 3]],
    ['name', [3, 2, 1, 0]],
    ['newest', [0, 3, 1, 2]],
    ['oldest', [1, 3, 0, 2]],
    ['confident', [2, 0, 1, 3]],
    ['unsure', [3, 1, 0, 2]],
    ['score', [2, 3, 1, 0]],
    ['disagreement', [1, 3, 0, 2]],
  ];
  for (const [order, numbers] of expected) assert.deepEqual(shown({ order }), numbers, order);
});

test('Rows without what is compared keep the order of the source', () => {
  const plain = [row('b', kNormal), row('a', kNormal), row('c', kNormal)];
  assert.deepEqual(arrange(plain, { labelOf: () => kNormal, isEdited: () => false }, { ...kEverything, order: 'score' }), [0, 1, 2]);
});

test('Model and label disagree the more, the surer a wrong verdict is', () => {
  assert.equal(disagreement(rows[1]!, kAnomaly), 0.8);
  assert.ok(Math.abs(disagreement(rows[0]!, kNormal) - 0.1) < 1e-12);
  assert.equal(disagreement(rows[2]!, kUnlabelled), -1);
  assert.equal(disagreement(row('x', kNormal), kNormal), -1);
});

test('Anomaly labels are counted by picture', () => {
  assert.deepEqual(anomalyLabelsOf(rows), [
    ['dent', 1],
    ['scratch', 2],
  ]);
});

test('A name is the last part of a key', () => {
  assert.equal(nameOf('s3://bucket/a/b/c.png'), 'c.png');
  assert.equal(nameOf('s3://bucket/a/b/'), 'b/');
});
