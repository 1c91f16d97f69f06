import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csvOf, jsonLinesOf, noFilters, requestOf, subjectOf } from './audit_events.ts';

const event = (parameters: unknown, more = {}) => ({ EventTime: 1_600_000_000, EventName: 'X', Record: JSON.stringify({ requestParameters: parameters }), ...more });

test('filters that are empty are not sent', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(requestOf({ ...noFilters, seconds: 0, kind: 'all', user: '  ' }, 1000))), {});
});

test('time frames end now or hold whole days of the browser', () => {
  assert.equal(requestOf({ ...noFilters, seconds: 3600 }, 10_000.5).StartTime, 6400);
  const { StartTime, EndTime } = requestOf({ ...noFilters, seconds: null, from: '2026-02-28', to: '2026-02-28' }, 0);
  assert.equal(StartTime, new Date(2026, 1, 28).getTime() / 1000);
  assert.equal(EndTime, new Date(2026, 2, 1).getTime() / 1000);
  assert.equal(requestOf({ ...noFilters, seconds: null, from: 'soon', to: '' }, 0).StartTime, undefined);
});

test('filters have the names of the API', () => {
  const asked = requestOf({ ...noFilters, kind: 'reads', outcome: 'FAILED', source: 's3.amazonaws.com', user: ' ann ', event: 'E', errorCode: 'C', accessKey: 'K', resource: 'R' }, 0);
  assert.deepEqual(
    { ...asked, StartTime: undefined },
    { StartTime: undefined, ReadOnly: true, Outcome: 'FAILED', EventSource: 's3.amazonaws.com', UserName: 'ann', EventName: 'E', ErrorCode: 'C', AccessKeyId: 'K', ResourceName: 'R' },
  );
});

test('what a call was about comes from its parameters', () => {
  assert.equal(subjectOf(event({ projectName: 'line7', modelVersion: '3', clientToken: 't' })), 'line7, model 3');
  assert.equal(subjectOf(event({ userName: 'ann', policyName: 'P' })), 'ann, P');
  assert.equal(subjectOf(event(null)), '');
  assert.equal(subjectOf(event({ projectName: { a: 1 } })), '');
  assert.equal(subjectOf({ Record: 'torn' }), '');
});

test('files keep every sign, and no field becomes a formula', () => {
  const events = [event({ projectName: 'p' }, { UserName: '=HYPERLINK("x")', ErrorCode: 'a,b' }), event({ bucketName: 'line\nbreak' })];
  const [head, first, ...rest] = csvOf(events).split('\r\n');
  assert.equal(head, 'Time,User,Event,Service,About,Error,Address,Access key,Event id,Record');
  assert.equal(first, '2020-09-13T12:26:40Z,"\'=HYPERLINK(""x"")",X,,p,"a,b",,,,"{""requestParameters"":{""projectName"":""p""}}"');
  assert.match(rest.join('\r\n'), /"line\nbreak"/);
  assert.equal(jsonLinesOf(events), `${events[0]!.Record}\n${events[1]!.Record}\n`);
});
