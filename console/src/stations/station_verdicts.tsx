// What a station has judged, the newest first, with filters.
import { useState } from 'react';
import { useInfiniteQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import Select from '@cloudscape-design/components/select';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import type { Station, StationVerdict } from '../api/generated.ts';
import { keys } from '../api/queries.ts';
import { count, percent } from '../app/format.ts';
import { useThumbnails } from '../gallery/use_thumbnails.ts';
import { useSession } from '../session/session.tsx';
import { VerdictDetails } from './verdict_details.tsx';
import { verdictOf, verdictStates } from './words.ts';

const kPage = 50;
const exact = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

const judgedAt = ({ JudgedAt = 0 }: StationVerdict) => exact.format(new Date(JudgedAt * 1000));

const verdicts = [
  { value: 'all', label: 'All verdicts' },
  { value: 'anomaly', label: 'Anomalies and parts without a verdict' },
  { value: 'normal', label: 'Normal parts' },
];
const states = [{ value: 'all', label: 'All states' }, ...Object.entries(verdictStates).map(([value, label]) => ({ value, label }))];
const frames = [
  { value: '0', label: 'All times' },
  { value: '3600', label: 'Last hour' },
  { value: '86400', label: 'Last 24 hours' },
  { value: '604800', label: 'Last 7 days' },
];

export function StationVerdicts({ name, station }: { name: string; station: Station }) {
  const { client } = useSession();
  const [verdict, setVerdict] = useState('all');
  const [state, setState] = useState('all');
  const [model, setModel] = useState('all');
  const [frame, setFrame] = useState({ seconds: '0', now: 0 });
  const [opened, setOpened] = useState<StationVerdict>();
  const models = [{ value: 'all', label: 'All models' }, ...(station.Models ?? []).map(({ ModelComponent }) => ({ value: ModelComponent, label: ModelComponent }))];
  const list = useInfiniteQuery({
    queryKey: [...keys.station(name), 'verdicts', verdict, state, model, frame],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      client.call(
        'ListStationVerdicts',
        {
          StationName: name,
          MaxResults: kPage,
          ...(verdict !== 'all' && { IsAnomalous: verdict === 'anomaly' }),
          ...(state !== 'all' && { State: state as NonNullable<StationVerdict['State']> }),
          ...(model !== 'all' && { ModelComponent: model }),
          ...(frame.seconds !== '0' && { StartTime: frame.now - Number(frame.seconds) }),
          ...(pageParam && { NextToken: pageParam }),
        },
        { signal },
      ),
    getNextPageParam: (page) => page.NextToken,
  });
  const items = list.data?.pages.flatMap((page) => page.Verdicts ?? []) ?? [];
  const thumbnails = useThumbnails(items.flatMap(({ PictureRef }) => (PictureRef ? [PictureRef] : [])));
  const choice = (label: string, options: { value: string; label: string }[], value: string, onChoose: (value: string) => void) => (
    <FormField label={label}>
      <Select selectedOption={options.find((option) => option.value === value) ?? options[0]!} options={options} ariaLabel={label} onChange={({ detail }) => onChoose(detail.selectedOption.value!)} />
    </FormField>
  );
  const trouble = list.error && (
    <Alert type="error" action={<Button onClick={() => void (list.isFetchNextPageError ? list.fetchNextPage() : list.refetch())}>Try again</Button>}>
      {sentenceOf(list.error)}
    </Alert>
  );
  return (
    <>
      <Table
        items={items}
        trackBy={(item) => `${item.Journal}/${item.Sequence}`}
        loading={list.isPending}
        loadingText="Reading the verdicts"
        ariaLabels={{ tableLabel: 'Verdicts of the station' }}
        header={
          <Header
            variant="h2"
            counter={list.data ? `(${count(items.length)}${list.hasNextPage ? '+' : ''})` : ''}
            description="What came last stands first. Open one to see the picture, and to say what it shows."
            actions={<Button iconName="refresh" ariaLabel="Refresh" loading={list.isFetching && !list.isFetchingNextPage} onClick={() => void list.refetch()} />}
          >
            Verdicts
          </Header>
        }
        filter={
          <ColumnLayout columns={4} minColumnWidth={160}>
            {choice('Verdict', verdicts, verdict, setVerdict)}
            {choice('State', states, state, setState)}
            {choice('Model', models, model, setModel)}
            {choice('Time', frames, frame.seconds, (seconds) => setFrame({ seconds, now: Math.floor(Date.now() / 1000) }))}
          </ColumnLayout>
        }
        columnDefinitions={[
          {
            id: 'time',
            header: 'Time',
            isRowHeader: true,
            cell: (item) => (
              <Link onFollow={() => setOpened(item)} ariaLabel={`${judgedAt(item)}, verdict ${item.Sequence}`}>
                {judgedAt(item)}
              </Link>
            ),
          },
          {
            id: 'verdict',
            header: 'Verdict',
            cell: (item) => {
              const { type, text } = verdictOf(item);
              return <StatusIndicator type={type}>{text}</StatusIndicator>;
            },
          },
          { id: 'confidence', header: 'Confidence', cell: (item) => (item.State === 'JUDGED' ? percent(item.Confidence) : '–') },
          { id: 'part', header: 'Part', cell: (item) => <span className="breakable">{item.TriggerId || '–'}</span> },
          { id: 'model', header: 'Model', cell: (item) => `${item.ModelComponent ?? '–'} ${item.ComponentVersion ?? ''}` },
          { id: 'source', header: 'Source', cell: (item) => item.Source ?? '–' },
          {
            id: 'picture',
            header: 'Picture',
            cell: (item) => {
              const thumbnail = item.PictureRef && thumbnails.get(item.PictureRef);
              if (!item.PictureRef) return 'Not kept';
              return thumbnail && 'jpeg' in thumbnail ? <img className="station-thumbnail" src={`data:image/jpeg;base64,${thumbnail.jpeg}`} alt={`Picture of verdict ${item.Sequence}`} /> : 'Kept';
            },
          },
        ]}
        footer={
          items.length > 0 && (list.hasNextPage || trouble) ? (
            <Box textAlign="center">
              {trouble || (
                <Button loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                  Show more
                </Button>
              )}
            </Box>
          ) : undefined
        }
        empty={
          trouble || (
            <Box textAlign="center" padding="m">
              <Box variant="strong">No verdict</Box>
              <Box variant="p" color="text-body-secondary">
                Nothing that this station sent fits these filters.
              </Box>
            </Box>
          )
        }
      />
      {opened && <VerdictDetails verdict={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}
