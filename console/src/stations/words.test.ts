import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, connectSnippets, verdictOf } from './words.ts';

test('a part without a verdict is neither normal nor an anomaly', () => {
  assert.equal(verdictOf({ State: 'JUDGED', IsAnomalous: false }).text, 'Normal');
  assert.equal(verdictOf({ State: 'JUDGED', IsAnomalous: true }).text, 'Anomaly');
  assert.equal(verdictOf({ State: 'NO_PICTURE', IsAnomalous: true }).text, 'No picture');
});

test('times are told from now on', () => {
  assert.equal(ago(undefined, 100), '–');
  assert.equal(ago(95, 100), 'just now');
  assert.equal(ago(105, 100), 'just now');
  assert.equal(ago(40, 100), '60 s ago');
  assert.equal(ago(0, 600), '10 min ago');
  assert.equal(ago(0, 7200), '2 h ago');
  assert.equal(ago(0, 259_200), '3 days ago');
});

test('the configuration names the station and this server', () => {
  const snippets = connectSnippets({ endpoint: 'https://vedette.plant', region: 'us-east-1', station: 'line-1' });
  const configuration = JSON.parse(snippets.find(({ id }) => id === 'configuration')!.text) as { station: string; sinks: { kind: string; endpoint: string }[] };
  assert.equal(configuration.station, 'line-1');
  assert.deepEqual([configuration.sinks[0]!.kind, configuration.sinks[0]!.endpoint], ['server', 'https://vedette.plant']);
  assert.match(snippets[0]!.text, /VedetteStationAccess/);
});
