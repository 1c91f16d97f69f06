import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DatasetFinding } from '../api/generated.ts';
import { kAnomaly, kNormal, kUnlabelled, type Label } from '../gallery/rows.ts';
import { kNoMask, relabelled } from '../gallery/saving.ts';
import { parseEntry, segmentationLine } from '../labels/lines.ts';
import { changesOf, isSettled, keyOf, kKinds, type Picture } from './findings.ts';

const copy: DatasetFinding = { Kind: 'TRAIN_TEST_DUPLICATE', DatasetType: 'test', SourceRef: 's3://b/1', RelatedDatasetType: 'train', RelatedSourceRef: 's3://b/1', Detail: '' };
const doubted: DatasetFinding = { Kind: 'CONTRADICTED_LABEL', DatasetType: 'train', SourceRef: 's3://b/2', RelatedDatasetType: 'train', RelatedSourceRef: 's3://b/3', Detail: '' };
const labels = (known: Record<string, Label>) => (picture: Picture) => known[keyOf(picture)];

test('Of two copies the other one loses its label, also where both have one name', () => {
  assert.deepEqual(changesOf('keepOther', copy, labels({})), [{ picture: { type: 'test', sourceRef: 's3://b/1' }, change: kUnlabelled }]);
  assert.deepEqual(changesOf('keepThis', copy, labels({})), [{ picture: { type: 'train', sourceRef: 's3://b/1' }, change: kUnlabelled }]);
  assert.equal(changesOf('unlabelBoth', copy, labels({})).length, 2);
});

test('A label is changed to the other one', () => {
  assert.deepEqual(changesOf('flip', doubted, labels({ 'train s3://b/2': kNormal }))[0]?.change, kAnomaly);
  assert.deepEqual(changesOf('flip', doubted, labels({ 'train s3://b/2': kAnomaly }))[0]?.change, kNormal);
});

test('A finding is settled when its picture, or one of two copies, is not used any more', () => {
  const both = { 'test s3://b/1': kNormal, 'train s3://b/1': kNormal, 'train s3://b/2': kNormal, 'train s3://b/3': kUnlabelled } as const;
  assert.equal(isSettled(copy, labels(both)), false);
  assert.equal(isSettled(copy, labels({ ...both, 'train s3://b/1': kUnlabelled })), true);
  assert.equal(isSettled(doubted, labels(both)), false, 'the picture that contradicts says nothing');
  assert.equal(isSettled(doubted, labels({})), true, 'the picture is gone');
  assert.equal(isSettled({ Kind: 'TOO_FEW', Detail: '' }, labels({})), false);
});

test('What can be done for all is one of the things that can be done for one', () => {
  for (const kind of Object.values(kKinds)) for (const remedy of kind.forAll) assert.ok(kind.remedies.includes(remedy));
});

test('Without its mask a picture stays an anomaly and keeps the rest of its line', () => {
  const before = segmentationLine('s3://b/1', 's3://b/m', [{ name: 'crack', colour: '#ff0000' }], { previous: '{"source-ref":"s3://b/1","lot":7}' });
  const after = relabelled('s3://b/1', kNoMask, before);
  assert.equal(parseEntry(after)?.class, 'anomaly');
  assert.equal(parseEntry(after)?.mask, null);
  assert.equal(JSON.parse(after).lot, 7);
});
