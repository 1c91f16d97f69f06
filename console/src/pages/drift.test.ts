import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../api/client.ts';
import { differenceOf, frames, listed, readHistory, stateOf } from './drift.ts';

const training = { MetricName: 'Brightness', Low: 0.4, Median: 0.45, High: 0.5 } as const;

test('a mean that lies beyond nine in ten training pictures is named by its side', () => {
  assert.equal(differenceOf('Brightness', 0.51, training), 'brighter');
  assert.equal(differenceOf('Brightness', 0.39, training), 'darker');
  assert.equal(differenceOf('Brightness', 0.4, training), undefined);
  assert.equal(differenceOf('Sharpness', 0.1, training), 'less sharp');
  assert.equal(differenceOf('Brightness', undefined, training), undefined);
  assert.equal(differenceOf('Brightness', 9, undefined), undefined);
});

test('words are listed as people write them', () => {
  assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed), ['', 'a', 'a and b', 'a, b and c']);
});

test('the latest comparison decides, and before there is one, an alarm that was last known', () => {
  const at = (State: 'UNKNOWN' | 'TOO_FEW_IMAGES' | 'LIKE_TRAINING' | 'UNLIKE_TRAINING') => ({ State, ImageCount: 5, Differences: [] });
  assert.equal(stateOf(at('UNLIKE_TRAINING'), true, undefined), 'alarm');
  assert.equal(stateOf(at('LIKE_TRAINING'), true, { wasUnlike: true }), 'like');
  assert.equal(stateOf(at('TOO_FEW_IMAGES'), true, { wasUnlike: true }), 'earlierAlarm');
  assert.equal(stateOf(at('TOO_FEW_IMAGES'), true, { wasUnlike: false }), 'tooFew');
  assert.equal(stateOf(undefined, true, { wasUnlike: true }), 'earlierAlarm');
  assert.equal(stateOf(undefined, true, { wasUnlike: undefined }), 'notServed');
  assert.equal(stateOf(at('LIKE_TRAINING'), false, undefined), 'unknown');
});

test('the history has means per period, weighted by pictures, and no points where nothing was judged', async () => {
  const asked: Record<string, unknown>[] = [];
  const data: Record<string, object[]> = {
    ProcessedImageCount: [{ Timestamp: 600, Sum: 4, SampleCount: 4 }, { Timestamp: 660, Sum: 1, SampleCount: 1 }],
    DetectedAnomalyCount: [{ Timestamp: 600, Sum: 1, SampleCount: 4 }],
    Brightness: [{ Timestamp: 600, Sum: 2, Average: 0.5, SampleCount: 4 }, { Timestamp: 660, Sum: 1, Average: 1, SampleCount: 1 }, { Timestamp: 720, Sum: 0, Average: 0, SampleCount: 0 }],
    StreamUnlikeTraining: [{ Timestamp: 600, Maximum: 1, SampleCount: 6 }, { Timestamp: 660, Maximum: 0, SampleCount: 6 }],
  };
  const client = {
    call: async (_: string, input: Record<string, unknown>) => {
      asked.push(input);
      return { Datapoints: data[input.MetricName as string] ?? [] };
    },
  } as unknown as Client;
  const history = await readHistory(client, 'p', '3', frames[0]!, new AbortController().signal);
  assert.equal(asked.length, 7);
  for (const input of asked) {
    assert.equal((input.StartTime as number) % 60, 0);
    assert.deepEqual([input.ProjectName, input.ModelVersion, (input.EndTime as number) - (input.StartTime as number)], ['p', '3', 3600]);
  }
  assert.deepEqual([history.images, history.anomalies], [5, 1]);
  assert.deepEqual(history.judged.map(({ value }) => value), [4, 1]);
  assert.deepEqual(history.share.map(({ value }) => value), [0.25, 0]);
  assert.deepEqual(history.statistics.Brightness.points.map(({ time, value }) => [time.getTime(), value]), [[600_000, 0.5], [660_000, 1]]);
  assert.equal(history.statistics.Brightness.mean, 0.6);
  assert.equal(history.statistics.Level.mean, undefined);
  assert.deepEqual(history.alarms.map((time) => time.getTime()), [600_000]);
  assert.equal(history.wasUnlike, false);
});
