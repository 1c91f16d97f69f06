import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingForTraining } from './enough.ts';

test('A single dataset needs 20 normal and 10 anomalous pictures', () => {
  assert.deepEqual(missingForTraining({ Normal: 20, Anomaly: 10 }, undefined), []);
  assert.deepEqual(missingForTraining({ Normal: 19, Anomaly: 10 }, undefined), ['1 more normal picture is needed (at least 20).']);
  assert.equal(missingForTraining(undefined, undefined).length, 2);
});

test('Separate datasets need 10 normal pictures to train, and 10 of both to test', () => {
  assert.deepEqual(missingForTraining({ Normal: 10, Anomaly: 0 }, { Normal: 10, Anomaly: 10 }), []);
  assert.equal(missingForTraining({ Normal: 9 }, { Normal: 9, Anomaly: 9 }).length, 3);
});
