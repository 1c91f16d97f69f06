// Who did what: the audit log, newest first, with filters, every event in full, and files of what is shown.
import { useEffect, useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ButtonDropdown from '@cloudscape-design/components/button-dropdown';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import DateInput from '@cloudscape-design/components/date-input';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import Link from '@cloudscape-design/components/link';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import type { Client } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import type { AuditEvent } from '../api/generated.ts';
import { count } from '../app/format.ts';
import { saveFile } from '../app/save_file.ts';
import { useSession } from '../session/session.tsx';
import { AuditEventDetails } from './audit_event.tsx';
import { csvOf, eventTime, jsonLinesOf, noFilters, requestOf, serviceOf, subjectOf, type Filters, type Kind, type Outcome } from './audit_events.ts';

const kPage = 50;
/** A call looks at a part of the log only. So many calls are made before the page says how far the search is. */
const kCallsAtOnce = 10;
/** Texts are sent when no key was pressed for so many milliseconds. */
const kTypingPause = 400;

interface Page {
  events: AuditEvent[];
  token?: string;
  /** If there is a token: how far back the search is, in seconds since 1970. */
  searchedUntil?: number;
}

async function readPage(client: Client, request: ReturnType<typeof requestOf>, token: string | undefined, signal: AbortSignal): Promise<Page> {
  const page: Page = { events: [], token };
  for (let calls = 0; calls < kCallsAtOnce; calls++) {
    const answer = await client.call('ListAuditEvents', { ...request, MaxResults: kPage - page.events.length, NextToken: page.token }, { signal });
    page.events.push(...(answer.Events ?? []));
    page.token = answer.NextToken;
    page.searchedUntil = answer.SearchedUntil;
    if (!page.token || page.events.length >= kPage) break;
  }
  return page;
}

/** The filters as the server gets them: at once if something was chosen, and after a pause if something is typed. */
function useAsked(filters: Filters) {
  const [asked, setAsked] = useState(() => ({ filters, now: Date.now() / 1000 }));
  useEffect(() => {
    if (filters === asked.filters) return;
    const timer = window.setTimeout(() => setAsked({ filters, now: Date.now() / 1000 }), kTypingPause);
    return () => window.clearTimeout(timer);
  }, [filters, asked]);
  return { asked, refresh: () => setAsked({ filters, now: Date.now() / 1000 }) };
}

const frames = [
  { value: '3600', label: 'Last hour' },
  { value: '86400', label: 'Last day' },
  { value: '604800', label: 'Last week' },
  { value: '2592000', label: 'Last 30 days' },
  { value: '0', label: 'All times' },
  { value: 'days', label: 'Between two days' },
];
const kinds = [
  { value: 'changes', label: 'Changes' },
  { value: 'reads', label: 'Reads and detections' },
  { value: 'all', label: 'All calls' },
];
const outcomes = [
  { value: '', label: 'Any result' },
  { value: 'FAILED', label: 'Errors only' },
  { value: 'SUCCEEDED', label: 'Successes only' },
];
const services = [
  { value: '', label: 'All services' },
  ...(['lookoutvision', 'vedette', 's3', 'sts'] as const).map((name) => ({ value: `${name}.amazonaws.com`, label: name })),
];

function FilterFields({ filters, onChange }: { filters: Filters; onChange(filters: Filters): void }) {
  const set = (change: Partial<Filters>) => onChange({ ...filters, ...change });
  const text = (label: string, name: 'user' | 'event' | 'resource' | 'errorCode' | 'accessKey', placeholder: string) => (
    <FormField label={label}>
      <Input type="search" value={filters[name]} ariaLabel={label} clearAriaLabel="Clear" placeholder={placeholder} spellcheck={false} onChange={({ detail }) => set({ [name]: detail.value })} />
    </FormField>
  );
  const choice = (label: string, options: { value: string; label: string }[], value: string, onChoose: (value: string) => void) => (
    <FormField label={label}>
      <Select selectedOption={options.find((option) => option.value === value)!} options={options} ariaLabel={label} onChange={({ detail }) => onChoose(detail.selectedOption.value!)} />
    </FormField>
  );
  const day = (label: string, name: 'from' | 'to') => (
    <FormField label={label}>
      <DateInput format="iso" placeholder="YYYY-MM-DD" value={filters[name]} ariaLabel={label} onChange={({ detail }) => set({ [name]: detail.value })} />
    </FormField>
  );
  return (
    <SpaceBetween size="s">
      <ColumnLayout columns={4} minColumnWidth={180}>
        {choice('Time', frames, filters.seconds === null ? 'days' : String(filters.seconds), (value) => set({ seconds: value === 'days' ? null : Number(value) }))}
        {choice('Calls', kinds, filters.kind, (value) => set({ kind: value as Kind }))}
        {text('User', 'user', 'Exact name')}
        {text('About', 'resource', 'Project, bucket, user, ARN')}
      </ColumnLayout>
      {filters.seconds === null && (
        <ColumnLayout columns={4} minColumnWidth={180}>
          {day('First day', 'from')}
          {day('Last day', 'to')}
        </ColumnLayout>
      )}
      <ExpandableSection headerText="More filters">
        <ColumnLayout columns={3} minColumnWidth={180}>
          {text('Event', 'event', 'CreateModel')}
          {choice('Service', services, filters.source, (value) => set({ source: value as Filters['source'] }))}
          {choice('Result', outcomes, filters.outcome, (value) => set({ outcome: value as Outcome }))}
          {text('Error code', 'errorCode', 'AccessDeniedException')}
          {text('Access key', 'accessKey', 'AKIA…')}
        </ColumnLayout>
      </ExpandableSection>
    </SpaceBetween>
  );
}

export default function AuditPage() {
  const { client, may } = useSession();
  const allowed = may('vedette:ListAuditEvents');
  const [filters, setFilters] = useState(noFilters);
  const { asked, refresh } = useAsked(filters);
  const [opened, setOpened] = useState<AuditEvent>();
  const list = useInfiniteQuery({
    queryKey: ['audit', asked],
    enabled: allowed,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => readPage(client, requestOf(asked.filters, asked.now), pageParam, signal),
    getNextPageParam: (page) => page.token,
    // Every look is a call that the log records, too.
    refetchOnWindowFocus: false,
    staleTime: Infinity,
  });
  if (!allowed)
    return (
      <Container header={<Header variant="h1">Audit log</Header>}>
        <Alert type="info">Your user may not see what others did (vedette:ListAuditEvents). Ask whoever administers the server.</Alert>
      </Container>
    );
  const events = list.data?.pages.flatMap((page) => page.events) ?? [];
  const last = list.data?.pages.at(-1);
  const isFiltered = filters !== noFilters;
  const trouble = list.error && (
    <Alert
      type="error"
      header={events.length ? 'Older events cannot be read' : 'The audit log cannot be read'}
      action={<Button loading={list.isFetching} onClick={() => void (list.isFetchNextPageError ? list.fetchNextPage() : list.refetch())}>Try again</Button>}
    >
      {sentenceOf(list.error)}
    </Alert>
  );
  const older = list.hasNextPage && (
    <Button loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
      Search older events
    </Button>
  );
  const save = (format: string) => {
    const name = `audit-${new Date().toISOString().slice(0, 10)}`;
    if (format === 'csv') saveFile(`${name}.csv`, [csvOf(events)], 'text/csv');
    else saveFile(`${name}.jsonl`, [jsonLinesOf(events)], 'application/x-ndjson');
  };
  return (
    <>
      <Table
        variant="full-page"
        items={events}
        trackBy="EventId"
        loading={list.isPending}
        loadingText="Searching the log"
        ariaLabels={{ tableLabel: 'Audit log' }}
        wrapLines
        header={
          <Header
            variant="h1"
            counter={list.data ? `(${count(events.length)}${list.hasNextPage ? '+' : ''})` : ''}
            description={`Who did what on this server, in all regions. The newest event comes first.${older && events.length ? ' Older ones are not searched yet, and an export lacks them.' : ''}`}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" loading={list.isFetching && !list.isFetchingNextPage} onClick={refresh} />
                <ButtonDropdown
                  items={[
                    { id: 'csv', text: 'As CSV' },
                    { id: 'jsonl', text: 'As JSON Lines' },
                  ]}
                  disabled={events.length === 0}
                  onItemClick={({ detail }) => save(detail.id)}
                >
                  Export what is shown
                </ButtonDropdown>
              </SpaceBetween>
            }
          >
            Audit log
          </Header>
        }
        filter={<FilterFields filters={filters} onChange={setFilters} />}
        columnDefinitions={[
          { id: 'time', header: 'Time', cell: (item) => eventTime(item.EventTime), minWidth: 170 },
          { id: 'user', header: 'User', cell: (item) => item.UserName },
          {
            id: 'event',
            header: 'Event',
            isRowHeader: true,
            cell: (item) => (
              <>
                <Link onFollow={() => setOpened(item)} ariaLabel={`${item.EventName} of ${item.UserName}, ${eventTime(item.EventTime)}`}>
                  {item.EventName}
                </Link>
                <Box variant="small" display="block" color="text-body-secondary">
                  {serviceOf(item)}
                </Box>
              </>
            ),
          },
          { id: 'about', header: 'About', minWidth: 180, cell: (item) => <span className="breakable">{subjectOf(item) || '–'}</span> },
          {
            id: 'result',
            header: 'Result',
            minWidth: 215,
            cell: (item) => (item.ErrorCode ? <StatusIndicator type="error">{item.ErrorCode}</StatusIndicator> : <StatusIndicator type="success">Success</StatusIndicator>),
          },
          { id: 'address', header: 'Address', cell: (item) => item.SourceIPAddress },
        ]}
        footer={
          older && events.length > 0 ? (
            <SpaceBetween size="s">
              {trouble}
              <Box textAlign="center">
                <SpaceBetween size="xxs" alignItems="center">
                  {last?.searchedUntil !== undefined && <Box color="text-body-secondary">Searched back to {eventTime(last.searchedUntil)}.</Box>}
                  {!trouble && older}
                </SpaceBetween>
              </Box>
            </SpaceBetween>
          ) : undefined
        }
        empty={
          trouble || (
            <Box textAlign="center" padding="l">
              <Box variant="strong">{older ? 'Nothing found yet' : 'No event matches'}</Box>
              <Box variant="p" color="text-body-secondary">
                {older && last?.searchedUntil !== undefined
                  ? `The log was searched back to ${eventTime(last.searchedUntil)}.`
                  : 'Filters are exact: whole names, with capital and small letters. Try a longer time, or all calls.'}
              </Box>
              {older || (
                <Button disabled={!isFiltered} onClick={() => setFilters(noFilters)}>
                  Clear the filters
                </Button>
              )}
            </Box>
          )
        }
      />
      {opened && <AuditEventDetails event={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}
