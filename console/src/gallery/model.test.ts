import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Labelling, Pace } from './labelling.ts';
import { GalleryModel } from './model.ts';
import { kAnomaly, kNormal, kUnlabelled, type GalleryRow, type GallerySource, type Label } from './rows.ts';

const rowOf = (number: number, label: Label): GalleryRow => ({ sourceRef: `s3://b/${number}.png`, name: `${number}.png`, label, anomalyLabels: [] });

function sourceOf(labels: Label[], asked: [number, number][] = []): GallerySource {
  return {
    async list(offset, count) {
      asked.push([offset, count]);
      return { total: labels.length, rows: labels.slice(offset, offset + count).map((label, i) => rowOf(offset + i, label)) };
    },
    thumbnails: async () => [],
  };
}

async function open(labels: Label[], onLabels?: (rows: readonly number[]) => void) {
  const model = new GalleryModel(sourceOf(labels), onLabels);
  await model.load();
  return model;
}

test('All rows are loaded: few at first, then pages of 5,000', async () => {
  const asked: [number, number][] = [];
  const model = new GalleryModel(sourceOf(Array<Label>(16_000).fill(kUnlabelled), asked));
  await model.load();
  assert.equal(model.view.length, 16_000);
  assert.deepEqual(asked, [[0, 400], [400, 5000], [5400, 5000], [10_400, 5000], [15_400, 5000]]);
});

test('A source that promises more than it has, and one that grows, both end', async () => {
  const labels: Label[] = [kNormal, kNormal];
  const source = sourceOf(labels);
  const model = new GalleryModel({ ...source, list: async (...args) => ({ ...(await source.list(...args)), total: labels.length + 5 }) });
  await model.load();
  assert.equal(model.total, 2);
  labels.push(kAnomaly);
  await model.load();
  assert.equal(model.rows.length, 3);
  assert.ok(model.isComplete);
});

test('After an error the list goes on where it stopped', async () => {
  const source = sourceOf(Array<Label>(1000).fill(kUnlabelled));
  let fails = true;
  const model = new GalleryModel({ ...source, list: (offset, ...rest) => (offset > 0 && fails ? Promise.reject(new Error('down')) : source.list(offset, ...rest)) });
  await model.load();
  assert.equal(model.rows.length, 400);
  assert.ok(model.error);
  fails = false;
  await model.load();
  assert.equal(model.rows.length, 1000);
  assert.equal(model.error, undefined);
});

test('A label goes to the focus and on to the next unlabelled picture', async () => {
  const model = await open([kUnlabelled, kNormal, kUnlabelled, kUnlabelled]);
  model.label(kAnomaly, { advance: true });
  assert.equal(model.labels.labelOf(0), kAnomaly);
  assert.equal(model.selection.focus, 2);
  model.label(kNormal, { advance: false });
  assert.equal(model.selection.focus, 2);
  model.repeat();
  assert.equal(model.labels.labelOf(2), kNormal);
  assert.equal(model.selection.focus, 3);
  assert.deepEqual(model.labels.counts(), { total: 4, labelled: 3, unlabelled: 1, left: 1, normal: 2, anomaly: 1, edited: 2 });
});

test('A label goes to all that is chosen, and the last unlabelled picture is not left', async () => {
  const model = await open([kUnlabelled, kUnlabelled, kUnlabelled]);
  model.selection.chooseAll();
  model.label(kNormal, { advance: true });
  assert.equal(model.labels.counts().normal, 3);
  assert.equal(model.selection.chosen.size, 0);
  assert.equal(model.selection.focus, 2);
});

test('Undo takes back step by step and returns to the picture, even one that the filter hides', async () => {
  const told: number[][] = [];
  const model = await open([kUnlabelled, kUnlabelled, kUnlabelled], (rows) => told.push([...rows]));
  model.ask({ filter: 'unlabelled' });
  model.label(kNormal, { advance: true });
  assert.equal(model.outdated, 1);
  model.arrange();
  assert.deepEqual(model.view, [1, 2]);
  model.label(kAnomaly, { advance: true });
  model.undo();
  assert.equal(model.selection.focus, 1);
  model.undo();
  assert.equal(model.selection.focus, 0);
  assert.equal(model.query.filter, 'all');
  assert.equal(model.labels.counts().edited, 0);
  model.undo();
  assert.deepEqual(told, [[0], [1], [1], [0]]);
});

test('A picture whose label is again the saved one is not edited', () => {
  const labels = new Labelling();
  labels.add([rowOf(0, kNormal), rowOf(1, kUnlabelled)]);
  labels.give([0], kAnomaly, 0);
  labels.give([0], kNormal, 0);
  assert.deepEqual(labels.edited(), []);
  assert.deepEqual(labels.give([0], kNormal, 0), [], 'nothing changes');
  labels.undo();
  assert.equal(labels.labelOf(0), kAnomaly);
});

test('Saved labels are no longer edited, unless they were changed again meanwhile; undo makes them edits', () => {
  const labels = new Labelling();
  labels.add([rowOf(0, kUnlabelled), rowOf(1, kUnlabelled)]);
  labels.give([0, 1], kNormal, 0);
  labels.give([1], kAnomaly, 1);
  labels.markSaved(new Map<number, Label>([[0, kNormal], [1, kNormal]]));
  assert.deepEqual(labels.edited(), [1]);
  labels.undo();
  assert.deepEqual(labels.edited(), []);
  labels.undo();
  assert.deepEqual(labels.edited(), [0, 1]);
});

test('Discarding goes back to the saved labels and can be undone', async () => {
  const model = await open([kNormal, kUnlabelled]);
  model.selection.chooseAll();
  model.label(kAnomaly, { advance: false });
  model.discard();
  assert.equal(model.labels.counts().edited, 0);
  assert.equal(model.labels.labelOf(0), kNormal);
  model.undo();
  assert.equal(model.labels.counts().anomaly, 2);
});

test('A draft is restored by picture, but not over newer labels', async () => {
  const told: number[][] = [];
  const model = await open([kUnlabelled, kUnlabelled, kNormal], (rows) => told.push([...rows]));
  model.label(kNormal, { advance: false });
  const draft = new Map<string, Label>([['s3://b/0.png', kAnomaly], ['s3://b/1.png', kAnomaly], ['s3://b/2.png', kNormal], ['s3://b/gone.png', kNormal]]);
  assert.equal(model.restore(draft), 1);
  assert.deepEqual(told.at(-1), [1, 2], 'the draft of what is saved by now can go');
  assert.deepEqual([0, 1, 2].map((row) => model.labels.labelOf(row)), [kNormal, kAnomaly, kNormal]);
});

test('A normal picture has no mask after it was saved', async () => {
  const model = await open([kAnomaly]);
  model.rows[0] = { ...model.rows[0]!, maskRef: 's3://b/m.png', anomalyLabels: ['dent'] };
  model.label(kNormal, { advance: false });
  model.markSaved(new Map([[0, kNormal]]));
  assert.deepEqual([model.rows[0].maskRef, model.rows[0].anomalyLabels], [undefined, []]);
});

test('Rows whose labels are fixed are passed over by every way to label, and are not left to label', async () => {
  const told: number[][] = [];
  const source = sourceOf([kUnlabelled, kUnlabelled, kUnlabelled]);
  const list: GallerySource['list'] = async (...args) => {
    const { total, rows } = await source.list(...args);
    return { total, rows: rows.map((row, i) => (i === 1 ? { ...row, isFixed: true } : row)) };
  };
  const model = new GalleryModel({ ...source, list }, (rows) => told.push([...rows]));
  await model.load();
  model.label(kNormal, { advance: true });
  assert.equal(model.selection.focus, 2);
  model.selection.chooseAll();
  model.label(kAnomaly, { advance: false });
  model.change(new Map<number, Label>([[0, kNormal], [1, kNormal]]));
  assert.deepEqual(told, [[0], [0, 2], [0]]);
  assert.equal(model.restore(new Map<string, Label>([['s3://b/1.png', kNormal]])), 0);
  assert.deepEqual(told.at(-1), [1], 'its draft goes away');
  assert.deepEqual([0, 1, 2].map((row) => model.labels.labelOf(row)), [kNormal, kUnlabelled, kAnomaly]);
  assert.equal(model.labels.counts().left, 0);
});

test('Saving takes the mask of a picture that is not anomalous, but not what a model said', async () => {
  const model = await open([kAnomaly, kAnomaly]);
  Object.assign(model.rows[0]!, { maskRef: 's3://b/mask', anomalyLabels: ['dent'] });
  Object.assign(model.rows[1]!, { maskRef: 's3://b/mask', anomalyLabels: ['dent'], verdict: kAnomaly });
  model.markSaved(new Map<number, Label>([[0, kNormal], [1, kNormal]]));
  assert.deepEqual(model.rows.map(({ maskRef, anomalyLabels }) => [maskRef, anomalyLabels]), [[undefined, []], ['s3://b/mask', ['dent']]]);
});

test('The pace comes from the last labels; pauses do not count, and many at once count as many', () => {
  const pace = new Pace();
  let now = 0;
  const label = (after: number, pictures = 1) => pace.note((now += after), pictures);
  label(0);
  for (let i = 0; i < 3; i++) label(2000);
  assert.equal(pace.secondsFor(10), undefined, 'three times say little');
  label(2000);
  assert.equal(pace.secondsFor(10), 20);
  label(10 * 60_000);
  assert.equal(pace.secondsFor(10), 20);
  label(2000, 6);
  assert.equal(pace.secondsFor(10), 10);
});
