import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aloneByLabel, missingForTraining } from './readiness.ts';
import { kAnomaly, kNormal, type GalleryRow } from './rows.ts';

test('The least numbers depend on whether there is a test dataset', () => {
  assert.deepEqual(missingForTraining({ Normal: 20, Anomaly: 10 }, null), []);
  assert.equal(missingForTraining({ Normal: 19, Anomaly: 9 }, null).length, 2);
  assert.deepEqual(missingForTraining({ Normal: 10, Anomaly: 0 }, { Normal: 10, Anomaly: 10 }), []);
  assert.equal(missingForTraining({ Normal: 9 }, { Normal: 9, Anomaly: 9 }).length, 3);
  assert.deepEqual(missingForTraining(null, null), ['There is no training dataset.']);
});

test('With masks, one label must have enough pictures of its own', () => {
  const row = (labels: string[]): GalleryRow => ({ sourceRef: '', name: '', label: labels.length ? kAnomaly : kNormal, anomalyLabels: labels, maskRef: labels.length ? 'm' : undefined });
  const rows = [...Array<GalleryRow>(19).fill(row(['dent'])), row(['dent', 'hole']), row([])];
  const alone = aloneByLabel(rows);
  assert.deepEqual([...alone], [['dent', 19], ['hole', 0]]);
  assert.match(missingForTraining({ Normal: 50, Anomaly: 20 }, null, alone)[0]!, /“dent” has 19/);
  assert.deepEqual(missingForTraining({ Normal: 50, Anomaly: 20 }, null, aloneByLabel([...rows, row(['dent'])])), []);
  assert.deepEqual(missingForTraining({ Normal: 50, Anomaly: 20 }, null, new Map()), [], 'without masks nothing is needed');
});
