// One station: how it is, which models it runs and is to run, and what it has judged.
import { useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Container from '@cloudscape-design/components/container';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Header from '@cloudscape-design/components/header';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import { useHashLocation } from 'wouter/use-hash-location';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import type { Station } from '../api/generated.ts';
import { keys } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { count, plural, time } from '../app/format.ts';
import { NotFound } from '../app/not_found.tsx';
import { paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { StationModels } from '../stations/station_models.tsx';
import { StationVerdicts } from '../stations/station_verdicts.tsx';
import { ago, healthOf } from '../stations/words.ts';

function StationHealth({ station }: { station: Station }) {
  const { DayCounts: day, Journals = [], Gaps = [], Counters = [], Findings = [] } = station;
  const missing = Journals.reduce((sum, { MissingCount = 0 }) => sum + MissingCount, 0);
  return (
    <Container header={<Header variant="h2">Health</Header>}>
      <SpaceBetween size="m">
        {station.Health === 'SILENT' && (
          <Alert type="error">
            The station has not been heard of since {time(station.SilentSince)}. What it judges meanwhile waits in its journal, and comes when the server can be reached again.
          </Alert>
        )}
        {Findings.map(({ Check, Level, Message }, i) => (
          <Alert key={i} type={Level === 'ERROR' ? 'error' : 'warning'} header={Check}>
            {Message}
          </Alert>
        ))}
        {missing > 0 && (
          <Alert type="warning" header={`${plural(missing, 'record')} of this station never came`}>
            The station dropped them before they could be sent. The last gap: {count(Gaps[0]?.FirstSequence)} to {count(Gaps[0]?.LastSequence)}, noticed {time(Gaps[0]?.NoticedAt)}.
          </Alert>
        )}
        <KeyValuePairs
          columns={4}
          items={[
            { label: 'Last seen', value: `${ago(station.LastSeenTimestamp)} (${time(station.LastSeenTimestamp)})` },
            { label: 'Agent', value: station.AgentVersion ?? '–' },
            { label: 'Verdicts, last 24 hours', value: count(day?.VerdictCount) },
            { label: 'Of these', value: `${plural(day?.AnomalyCount ?? 0, 'anomaly', 'anomalies')}, ${count(day?.WithoutVerdictCount)} without a verdict` },
          ]}
        />
        {Counters.length > 0 && (
          <ExpandableSection headerText="Counters of the station">
            <KeyValuePairs columns={4} items={Counters.map(({ Name, Value }) => ({ label: Name.replaceAll('_', ' '), value: count(Value) }))} />
          </ExpandableSection>
        )}
      </SpaceBetween>
    </Container>
  );
}

export default function StationPage({ name }: { name: string }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const [, navigate] = useHashLocation();
  const [deleting, setDeleting] = useState(false);
  const station = useQuery({
    queryKey: keys.station(name),
    queryFn: async ({ signal }) => (await client.call('DescribeStation', { StationName: name }, { signal })).Station ?? {},
    refetchInterval: 5000,
  });
  if (isNotFound(station.error)) return <NotFound />;
  if (!station.data) return station.error ? <Alert type="error">{sentenceOf(station.error)}</Alert> : <Spinner size="large" />;
  const { type, text } = healthOf(station.data);
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        actions={
          <ActionButton action="vedette:DeleteStation" onClick={() => setDeleting(true)}>
            Delete
          </ActionButton>
        }
      >
        {name} <StatusIndicator type={type}>{text}</StatusIndicator>
      </Header>
      {station.error && (
        <Alert type="warning" header="What is shown here may be out of date">
          {sentenceOf(station.error)}
        </Alert>
      )}
      <StationHealth station={station.data} />
      <StationModels name={name} station={station.data} />
      <StationVerdicts name={name} station={station.data} />
      {deleting && (
        <ConfirmDelete
          title={`Delete ${name}?`}
          button="Delete station"
          onClose={() => setDeleting(false)}
          onDelete={async () => {
            await client.call('DeleteStation', { StationName: name });
            await queries.invalidateQueries({ queryKey: keys.stations });
            navigate(paths.stations());
          }}
        >
          Its verdicts and channels are deleted here. Kept pictures in the bucket stay. A station that still runs appears again as a new one.
        </ConfirmDelete>
      )}
    </SpaceBetween>
  );
}
