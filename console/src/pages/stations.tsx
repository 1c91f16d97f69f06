// Stations on the line: which are there, how they are, and what they have judged.
import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import { keys } from '../api/queries.ts';
import { count, plural, time } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { ConnectStation } from '../stations/connect_station.tsx';
import { ago, healthOf } from '../stations/words.ts';

export default function StationsPage() {
  const { client } = useSession();
  const [connecting, setConnecting] = useState(false);
  const stations = useQuery({
    queryKey: keys.stations,
    queryFn: ({ signal }) => client.all('ListStations', 'Stations', { MaxResults: 100 }, { signal }),
    refetchInterval: 5000,
  });
  if (stations.isPending) return <Spinner size="large" />;
  if (stations.error && !stations.data)
    return (
      <Alert type="error" header="The stations cannot be read" action={<Button onClick={() => void stations.refetch()}>Try again</Button>}>
        {sentenceOf(stations.error)}
      </Alert>
    );
  const items = stations.data ?? [];
  const silent = items.filter(({ Health }) => Health === 'SILENT').length;
  const header = (
    <Header
      variant="h1"
      counter={items.length ? `(${count(items.length)})` : ''}
      description={silent ? `${plural(silent, 'station is', 'stations are')} silent.` : 'Machines on the line that judge parts with vedette-edge and report here.'}
      actions={items.length > 0 && <Button onClick={() => setConnecting(true)}>Connect a station</Button>}
    >
      Stations
    </Header>
  );
  if (items.length === 0)
    return (
      <SpaceBetween size="m">
        {header}
        <Container header={<Header variant="h2" description="No station has reported yet. These three steps connect one.">Connect a station</Header>}>
          <ConnectStation />
        </Container>
      </SpaceBetween>
    );
  return (
    <>
      <Table
        variant="full-page"
        items={items}
        trackBy="StationName"
        ariaLabels={{ tableLabel: 'Stations' }}
        header={header}
        columnDefinitions={[
          { id: 'name', header: 'Station', isRowHeader: true, cell: (item) => <Link href={href(paths.station(item.StationName!))}>{item.StationName}</Link> },
          {
            id: 'health',
            header: 'Health',
            cell: (item) => {
              const { type, text } = healthOf(item);
              return <StatusIndicator type={type}>{text}</StatusIndicator>;
            },
          },
          { id: 'seen', header: 'Last seen', cell: (item) => <span title={time(item.LastSeenTimestamp)}>{ago(item.LastSeenTimestamp)}</span> },
          {
            id: 'models',
            header: 'Models',
            cell: (item) =>
              item.Models?.length ? (
                item.Models.map(({ ModelComponent, ComponentVersion }) => (
                  <div key={ModelComponent}>
                    {ModelComponent} {ComponentVersion}
                  </div>
                ))
              ) : (
                <span>–</span>
              ),
          },
          { id: 'verdicts', header: 'Verdicts, last 24 hours', cell: (item) => count(item.DayCounts?.VerdictCount) },
          { id: 'anomalies', header: 'Anomalies', cell: (item) => count(item.DayCounts?.AnomalyCount) },
          { id: 'without', header: 'Without verdict', cell: (item) => count(item.DayCounts?.WithoutVerdictCount) },
        ]}
      />
      {connecting && (
        <Modal visible size="large" header="Connect a station" closeAriaLabel="Close" onDismiss={() => setConnecting(false)}>
          <ConnectStation />
        </Modal>
      )}
      {stations.error && (
        <Box padding={{ top: 's' }}>
          <Alert type="warning" header="What is shown here may be out of date">
            {sentenceOf(stations.error)}
          </Alert>
        </Box>
      )}
    </>
  );
}
