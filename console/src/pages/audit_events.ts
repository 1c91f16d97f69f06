// Events of the audit log: how they are asked for, and what a table and a file say of them.
import type { Input } from '../api/client.ts';
import type { AuditEvent } from '../api/generated.ts';

export type Kind = 'changes' | 'reads' | 'all';
export type Outcome = '' | 'SUCCEEDED' | 'FAILED';

/** What a person chose above the table. Texts that are empty do not matter. */
export interface Filters {
  /** The length of the time frame that ends now, in seconds; 0 for all times, and null for the days below. */
  seconds: number | null;
  /** Days as 2026-11-28, in the time zone of the browser; both are included. */
  from: string;
  to: string;
  kind: Kind;
  outcome: Outcome;
  source: NonNullable<Input<'ListAuditEvents'>['EventSource']> | '';
  user: string;
  event: string;
  errorCode: string;
  accessKey: string;
  resource: string;
}

export const noFilters: Filters = { seconds: 7 * 24 * 3600, from: '', to: '', kind: 'changes', outcome: '', source: '', user: '', event: '', errorCode: '', accessKey: '', resource: '' };

/** The beginning of a day in the time zone of the browser, in seconds since 1970; so many days later, if any are given. */
function startOfDay(day: string, later = 0): number | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!match) return undefined;
  const time = new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]) + later).getTime() / 1000;
  return Number.isNaN(time) ? undefined : time;
}

/** What ListAuditEvents is asked; `now` is in seconds since 1970. The texts are sent as they are, so that the server says what is wrong with them. */
export function requestOf(filters: Filters, now: number): Input<'ListAuditEvents'> {
  const text = (value: string) => value.trim() || undefined;
  const frame =
    filters.seconds === null
      ? { StartTime: startOfDay(filters.from), EndTime: startOfDay(filters.to, 1) }
      : { StartTime: filters.seconds ? Math.floor(now) - filters.seconds : undefined };
  return {
    ...frame,
    ReadOnly: filters.kind === 'all' ? undefined : filters.kind === 'reads',
    Outcome: filters.outcome || undefined,
    EventSource: filters.source || undefined,
    UserName: text(filters.user),
    EventName: text(filters.event),
    ErrorCode: text(filters.errorCode),
    AccessKeyId: text(filters.accessKey),
    ResourceName: text(filters.resource),
  };
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', hour12: false });
export const eventTime = (seconds: number | undefined) => (seconds === undefined ? '–' : moment.format(new Date(seconds * 1000)));
export const serviceOf = (event: AuditEvent) => (event.EventSource ?? '').replace(/\.amazonaws\.com$/, '');

/** The whole line of the log, or null if it is no JSON object. */
export function recordOf(event: AuditEvent): Record<string, unknown> | null {
  try {
    const record = JSON.parse(event.Record ?? '') as unknown;
    return record !== null && typeof record === 'object' ? (record as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** What a call was about, as its request parameters name it: "line7, model 3". */
export function subjectOf(event: AuditEvent): string {
  const parameters = recordOf(event)?.requestParameters as Record<string, unknown> | null | undefined;
  const text = (name: string) => (typeof parameters?.[name] === 'string' ? (parameters[name] as string) : undefined);
  const model = text('modelVersion');
  const dataset = text('datasetType');
  return [
    text('projectName'),
    model && `model ${model}`,
    dataset && `${dataset} dataset`,
    text('trialName'),
    text('jobName'),
    text('bucketName'),
    text('userName'),
    text('accessKeyId'),
    text('policyName'),
    text('resourceArn'),
  ]
    .filter(Boolean)
    .join(', ');
}

/** A value as a field of a CSV file (RFC 4180). Spreadsheets take what begins with these signs for a formula, and others choose such texts. */
function field(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csvOf(events: AuditEvent[]): string {
  const rows = events.map((event) => [
    new Date((event.EventTime ?? 0) * 1000).toISOString().replace('.000Z', 'Z'),
    event.UserName ?? '',
    event.EventName ?? '',
    event.EventSource ?? '',
    subjectOf(event),
    event.ErrorCode ?? '',
    event.SourceIPAddress ?? '',
    event.AccessKeyId ?? '',
    event.EventId ?? '',
    event.Record ?? '',
  ]);
  const names = ['Time', 'User', 'Event', 'Service', 'About', 'Error', 'Address', 'Access key', 'Event id', 'Record'];
  return [names, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

export const jsonLinesOf = (events: AuditEvent[]) => events.map((event) => `${event.Record}\n`).join('');
