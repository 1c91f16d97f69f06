import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layersOf, nextLayer, sentenceOfLayer } from './layers.ts';

test('A picture has the layers that there is something of', () => {
  assert.deepEqual(layersOf({}, false), ['picture']);
  assert.deepEqual(layersOf({}, true), ['picture', 'heat', 'predicted']);
  assert.deepEqual(layersOf({ maskRef: 's3://b/m' }, true), ['picture', 'heat', 'predicted', 'labelled']);
  assert.deepEqual(layersOf({ predictedMaskRef: 's3://b/m' }, false), ['picture', 'predicted']);
});

test('The next layer goes round, also from one that the picture lacks', () => {
  const layers = layersOf({}, true);
  assert.equal(nextLayer(layers, 'picture'), 'heat');
  assert.equal(nextLayer(layers, 'predicted'), 'picture');
  assert.equal(nextLayer(layers, 'labelled'), 'heat');
});

test('What is said of a layer follows the model that looks', () => {
  const pending = { error: null, isPending: true };
  assert.match(sentenceOfLayer('heat', pending)!, /is looking.*loads it first/);
  assert.equal(sentenceOfLayer('predicted', pending), 'The model is looking at the picture.');
  const failed = { error: new Error('The model is gone.'), isPending: false };
  assert.equal(sentenceOfLayer('heat', failed), 'The model is gone.');
  assert.equal(sentenceOfLayer('predicted', failed), 'The model is gone.');
  const seen = { error: null, isPending: false, data: { mask: {} } };
  assert.equal(sentenceOfLayer('heat', seen), 'Yellow is where the masks of the model begin, red is far above.');
  assert.match(sentenceOfLayer('heat', seen, 'A note.')!, /far above\. A note\.$/);
  assert.equal(sentenceOfLayer('predicted', seen), undefined);
  assert.equal(sentenceOfLayer('predicted', seen, 'A note.'), 'A note.');
  assert.match(sentenceOfLayer('predicted', { ...seen, data: {} }, 'A note.')!, /marks nothing/);
});
