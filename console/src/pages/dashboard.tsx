import { lazy, Suspense, useMemo, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import Pagination from '@cloudscape-design/components/pagination';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import type { Client } from '../api/client.ts';
import type { ProjectMetadata } from '../api/generated.ts';
import { useProjects } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, percent } from '../app/format.ts';
import { pageLabels } from '../app/pages_of_table.ts';
import { href, paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { CreateProject } from './create_project.tsx';

const DetectionChart = lazy(() => import('./detection_chart.tsx'));

const hour = 3600;
const frames = [
  { value: 'hour', label: 'Last hour', seconds: hour, period: 60 },
  { value: 'day', label: 'Last day', seconds: 24 * hour, period: hour },
  { value: 'week', label: 'Last week', seconds: 7 * 24 * hour, period: 6 * hour },
  { value: 'month', label: 'Last four weeks', seconds: 28 * 24 * hour, period: 24 * hour },
  { value: 'year', label: 'Last year', seconds: 364 * 24 * hour, period: 7 * 24 * hour },
];
type Frame = (typeof frames)[number];

export interface Detections {
  images: number;
  anomalies: number;
  series: { time: Date; images: number; anomalies: number }[];
}

/** What was judged in a time frame, of one project or, without a name, of all. */
async function readDetections(client: Client, frame: Frame, project: string | undefined, signal: AbortSignal): Promise<Detections> {
  // Periods begin at multiples of their length, so that the chart does not change its bars with each look.
  const end = Math.ceil(Date.now() / 1000 / frame.period) * frame.period;
  const start = end - frame.seconds;
  const read = async (MetricName: 'ProcessedImageCount' | 'DetectedAnomalyCount') => {
    const input = { MetricName, StartTime: start, EndTime: end, Period: frame.period, ProjectName: project };
    const { Datapoints } = await client.call('GetMetricStatistics', input, { signal });
    return new Map((Datapoints ?? []).map((point) => [Math.round((point.Timestamp! - start) / frame.period), point.Sum ?? 0]));
  };
  const [images, anomalies] = await Promise.all([read('ProcessedImageCount'), read('DetectedAnomalyCount')]);
  const sum = (map: Map<number, number>) => [...map.values()].reduce((a, b) => a + b, 0);
  const series = Array.from({ length: frame.seconds / frame.period }, (_, i) => ({
    time: new Date((start + i * frame.period) * 1000),
    images: images.get(i) ?? 0,
    anomalies: anomalies.get(i) ?? 0,
  }));
  return { images: sum(images), anomalies: sum(anomalies), series };
}

function useDetections(frame: Frame, project?: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: ['detections', frame.value, project ?? ''],
    queryFn: ({ signal }) => readDetections(client, frame, project, signal),
    refetchInterval: 60_000,
  });
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <Box variant="awsui-key-label">{name}</Box>
      <Box fontSize="display-l" fontWeight="bold">
        {value}
      </Box>
    </div>
  );
}

/** A line of a few points, as wide as its cell. */
function Sparkline({ values, label }: { values: number[]; label: string }) {
  const top = Math.max(1, ...values);
  const points = values.map((value, i) => `${(i / Math.max(1, values.length - 1)) * 160},${26 - (24 * value) / top}`).join(' ');
  return (
    <svg className="sparkline" viewBox="0 0 160 28" role="img" aria-label={label}>
      <polyline points={points} />
    </svg>
  );
}

function ProjectCell({ project, frame, show }: { project: string; frame: Frame; show(detections: Detections): string | JSX.Element }) {
  const { data } = useDetections(frame, project);
  return <>{data ? show(data) : '–'}</>;
}

export function DashboardPage() {
  const [frame, setFrame] = useState(frames[2]!);
  const [creating, setCreating] = useState(false);
  const [page, setPage] = useState(1);
  const projects = useProjects();
  const all = useDetections(frame);
  const sorted = useMemo(() => [...(projects.data ?? [])].sort((a, b) => a.ProjectName!.localeCompare(b.ProjectName!)), [projects.data]);
  const pages = Math.max(1, Math.ceil(sorted.length / 10));
  const shown = sorted.slice((Math.min(page, pages) - 1) * 10, Math.min(page, pages) * 10);
  const cell = (show: (d: Detections) => string | JSX.Element) => (item: ProjectMetadata) => <ProjectCell project={item.ProjectName!} frame={frame} show={show} />;
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description="What your models saw on the line."
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Select
                selectedOption={frame}
                options={frames}
                ariaLabel="Time frame"
                onChange={({ detail }) => setFrame(frames.find((f) => f.value === detail.selectedOption.value)!)}
              />
              <Button
                iconName="refresh"
                ariaLabel="Refresh"
                loading={all.isFetching}
                onClick={() => {
                  void all.refetch();
                  void projects.refetch();
                }}
              />
              <ActionButton action="lookoutvision:CreateProject" variant="primary" onClick={() => setCreating(true)}>
                Create project
              </ActionButton>
            </SpaceBetween>
          }
        >
          Dashboard
        </Header>
      }
    >
      <SpaceBetween size="l">
        {all.error && (
          <Alert type="warning" header="The figures cannot be read">
            {sentenceOf(all.error)}
          </Alert>
        )}
        <Container header={<Header variant="h2">Overview</Header>}>
          <ColumnLayout columns={4} variant="text-grid" minColumnWidth={160}>
            <Figure name="Projects" value={projects.data ? count(projects.data.length) : '–'} />
            <Figure name="Images processed" value={count(all.data?.images)} />
            <Figure name="Anomalies detected" value={count(all.data?.anomalies)} />
            <Figure name="Anomaly ratio" value={all.data?.images ? percent(all.data.anomalies / all.data.images) : '–'} />
          </ColumnLayout>
          {all.data && all.data.images > 0 && (
            <Suspense fallback={null}>
              <DetectionChart detections={all.data} />
            </Suspense>
          )}
        </Container>
        <Table
          header={
            <Header variant="h2" counter={projects.data ? `(${count(projects.data.length)})` : ''}>
              Projects
            </Header>
          }
          items={shown}
          loading={projects.isPending}
          loadingText="Reading the projects"
          trackBy="ProjectName"
          columnDefinitions={[
            { id: 'name', header: 'Project', cell: (item) => <Link href={href(paths.project(item.ProjectName!))}>{item.ProjectName}</Link>, isRowHeader: true },
            { id: 'anomalies', header: 'Anomalies detected', cell: cell((d) => count(d.anomalies)) },
            { id: 'images', header: 'Images processed', cell: cell((d) => count(d.images)) },
            { id: 'ratio', header: 'Anomaly ratio', cell: cell((d) => (d.images ? percent(d.anomalies / d.images) : '–')) },
            {
              id: 'graph',
              header: `Anomalies, ${frame.label.toLowerCase()}`,
              cell: cell((d) => <Sparkline values={d.series.map((p) => p.anomalies)} label={`${count(d.anomalies)} anomalies in the time frame`} />),
            },
          ]}
          pagination={pages > 1 ? <Pagination ariaLabels={pageLabels} currentPageIndex={page} pagesCount={pages} onChange={({ detail }) => setPage(detail.currentPageIndex)} /> : undefined}
          empty={
            projects.error ? (
              <Alert type="error" header="The projects cannot be read" action={<Button onClick={() => void projects.refetch()}>Try again</Button>}>
                {sentenceOf(projects.error)}
              </Alert>
            ) : (
              <Box textAlign="center" padding="l">
                <Box variant="strong">No project yet</Box>
                <Box variant="p" color="text-body-secondary">
                  A project holds the pictures of one product, and the models that learn from them.
                </Box>
                <ActionButton action="lookoutvision:CreateProject" onClick={() => setCreating(true)}>
                  Create project
                </ActionButton>
              </Box>
            )
          }
        />
      </SpaceBetween>
      {creating && <CreateProject onClose={() => setCreating(false)} />}
    </ContentLayout>
  );
}
