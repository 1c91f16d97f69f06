import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layersOf, nextLayer } from './layers.ts';

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
