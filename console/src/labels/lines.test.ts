import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colourOf, isColour, joinLabels, kPalette, nextColour, problemOfName, rgbOf } from './colours.ts';
import { anomalyLine, changesOf, copiedLine, kMaxLine, normalLine, parseEntry, renamedLine, segmentationLine, unlabelledLine } from './lines.ts';

const now = new Date('2026-03-01T10:00:00.123Z');
const source = 's3://line7/img/0001.png';
const scratch = { name: 'scratch', colour: '#E6194B' };
const dent = { name: 'dent', colour: '#3cb44b' };

test('A normal line has what the API demands', () => {
  assert.deepEqual(JSON.parse(normalLine(source, { now })), {
    'source-ref': source,
    'anomaly-label': 0,
    'anomaly-label-metadata': {
      'class-name': 'normal',
      confidence: 1,
      type: 'groundtruth/image-classification',
      'human-annotated': 'yes',
      'creation-date': '2026-03-01T10:00:00.123',
      'job-name': 'labeling-job/console',
    },
  });
});

test('Lines are read as they were written', () => {
  assert.equal(parseEntry(normalLine(source))?.class, 'normal');
  assert.equal(parseEntry(anomalyLine(source, { now }))?.class, 'anomaly');
  assert.equal(parseEntry(anomalyLine(source, { now }))?.labelledAt, now.getTime());
  assert.equal(parseEntry(unlabelledLine(source))?.class, null);
  const entry = parseEntry(segmentationLine(source, 's3://line7/m.png', [scratch, dent], { now }))!;
  assert.deepEqual(entry.mask, { maskRef: 's3://line7/m.png', labels: [scratch, dent] });
  assert.equal(entry.class, 'anomaly');
});

test('A segmentation line maps index 0 to a white background', () => {
  const json = JSON.parse(segmentationLine(source, 's3://line7/m.png', [scratch], { now }));
  assert.deepEqual(json['anomaly-mask-ref-metadata']['internal-color-map'], {
    0: { 'class-name': 'BACKGROUND', 'hex-color': '#ffffff', confidence: 1 },
    1: { 'class-name': 'scratch', 'hex-color': '#E6194B', confidence: 1 },
  });
  assert.throws(() => segmentationLine(source, 's3://line7/m.png', []));
});

test('A new label keeps the members that are no labels, and drops labels of other names', () => {
  const previous = JSON.stringify({
    'source-ref': source,
    station: 'east',
    'auto-label': 1,
    'auto-label-metadata': { 'class-name': 'normal', type: 'groundtruth/image-classification', 'human-annotated': 'no' },
    'my-ref': 's3://line7/old.png',
    'my-ref-metadata': { type: 'groundtruth/semantic-segmentation', 'internal-color-map': { 0: { 'class-name': 'x', 'hex-color': '#010203' } } },
  });
  const json = JSON.parse(anomalyLine(source, { previous, now }));
  assert.deepEqual(Object.keys(json), ['source-ref', 'anomaly-label', 'anomaly-label-metadata', 'station']);
  assert.deepEqual(JSON.parse(unlabelledLine(source, { previous })), { 'source-ref': source, station: 'east' });
  const long = JSON.stringify({ 'source-ref': source, note: 'x'.repeat(kMaxLine - 100) });
  assert.equal(normalLine(source, { previous: long, now }), normalLine(source, { now }));
});

test("A person's label counts before a model's, and lines of AWS's samples are read", () => {
  const of = (name: string, human: string) => ({ 'class-name': name, type: 'groundtruth/image-classification', 'human-annotated': human });
  const line = JSON.stringify({ 'source-ref': source, a: 1, 'a-metadata': of('anomaly', 'no'), b: 0, 'b-metadata': of('Normal', 'yes') });
  assert.equal(parseEntry(line)?.class, 'normal');
  const noBackground = JSON.stringify({
    'source-ref': source,
    'anomaly-mask-ref': 's3://line7/m.png',
    'anomaly-mask-ref-metadata': { 'internal-color-map': { 0: { 'class-name': 'cracked', 'hex-color': '#23A436' } }, type: 'groundtruth/semantic-segmentation' },
  });
  assert.deepEqual(parseEntry(noBackground)?.mask?.labels, [{ name: 'cracked', colour: '#23A436' }]);
});

test('What is no line of a dataset is none', () => {
  for (const text of ['', '{', '[]', 'null', '{"source-ref":3}', '{"a-metadata":null}']) assert.equal(parseEntry(text), null);
  const odd = '{"source-ref":"s3://b/k","m":1,"m-metadata":{"type":"groundtruth/semantic-segmentation","internal-color-map":[1]},"x-metadata":5}';
  assert.equal(parseEntry(odd)?.mask, null);
});

test('Labels of another picture can be copied', () => {
  const from = parseEntry(segmentationLine(source, 's3://line7/m.png', [scratch], { now }))!;
  const copy = parseEntry(copiedLine('s3://line7/img/2.png', from, { now }))!;
  assert.equal(copy.sourceRef, 's3://line7/img/2.png');
  assert.deepEqual(copy.mask, from.mask);
});

test('Changes are split at lines', () => {
  assert.deepEqual(changesOf(['aaaa', 'bbbb', 'ä', 'cccccccccccccc'], 10), ['aaaa\nbbbb', 'ä', 'cccccccccccccc']);
  assert.deepEqual(changesOf([]), []);
});

test('Colours differ from each other, stay what entries say, and never are those of the background', () => {
  assert.equal(new Set(kPalette).size, kPalette.length);
  const taken: string[] = [];
  for (let i = 0; i < 100; ++i) taken.push(nextColour(taken));
  assert.equal(new Set(taken).size, 100);
  assert.ok(taken.every((colour) => isColour(colour) && colourOf(rgbOf(colour)) === colour));
  const joined = joinLabels([[{ name: 'a', colour: '#112233' }], [{ name: 'a', colour: '#445566' }, { name: 'b', colour: '#FFFFFF' }, { name: 'c', colour: '#112233' }]]);
  assert.equal(joined[0]!.colour, '#112233');
  assert.deepEqual(joined.slice(1).map((l) => l.colour), [kPalette[0], kPalette[1]]);
});

test('Names of labels are checked', () => {
  assert.equal(problemOfName('scratch2', [dent]), '');
  for (const name of ['', 'a b', 'Background', 'DENT', 'x'.repeat(257)]) assert.notEqual(problemOfName(name, [dent]), '');
});

test('A label is renamed in the masks that hold it, and nothing else changes', () => {
  const line = segmentationLine('s3://b/1.png', 's3://b/m.png', [{ name: 'scratch', colour: '#e6194b' }, { name: 'dent', colour: '#3cb44b' }], { previous: JSON.stringify({ 'source-ref': 's3://b/1.png', station: 'scratch' }) });
  const renamed = renamedLine(line, new Map([['scratch', 'dent'], ['dent', 'hole']]))!;
  assert.deepEqual(parseEntry(renamed)!.mask!.labels, [{ name: 'dent', colour: '#e6194b' }, { name: 'hole', colour: '#3cb44b' }]);
  assert.deepEqual({ ...JSON.parse(renamed), 'anomaly-mask-ref-metadata': 0 }, { ...JSON.parse(line), 'anomaly-mask-ref-metadata': 0 });
  assert.equal(renamedLine(line, new Map([['hole', 'x']])), null);
  assert.equal(renamedLine(normalLine('s3://b/2.png'), new Map([['normal', 'x']])), null);
  assert.throws(() => renamedLine(line, new Map([['dent', 'd'.repeat(9000)]])), /characters/);
});
