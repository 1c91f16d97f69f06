// Whether the pictures that a model judges have left what its training saw: in words, over time, and what to do then.
import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { useHashLocation } from 'wouter/use-hash-location';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import type { ModelEvaluation } from '../api/generated.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, percent, plural } from '../app/format.ts';
import { paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { differenceOf, frames, kLeastPictures, listed, readHistory, stateOf, statistics, type DriftState, type Frame, type History, type Statistic } from './drift.ts';
import { DriftChart } from './drift_chart.tsx';
import { MoveModel } from './move_model.tsx';

const number = (value: number) => value.toPrecision(3);
const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', hour12: false });
const shown: Statistic[] = ['AnomalyScore', 'Brightness', 'Sharpness', 'Level'];

interface Props {
  project: string;
  version: string;
}

/** What to do when the pictures have left the training. */
function Remedies({ project, version }: Props) {
  const [, navigate] = useHashLocation();
  const [moving, setMoving] = useState(false);
  return (
    <>
      <SpaceBetween direction="horizontal" size="xs">
        <ActionButton action="vedette:RebaseModel" variant="primary" onClick={() => setMoving(true)}>
          Move the model
        </ActionButton>
        <ActionButton action="lookoutvision:CreateModel" onClick={() => navigate(paths.train(project))}>
          Train a new model
        </ActionButton>
      </SpaceBetween>
      {moving && <MoveModel project={project} version={version} onClose={() => setMoving(false)} />}
    </>
  );
}

function State({ state, summary, history, ...model }: Props & { state: DriftState; summary: ModelEvaluation; history: History | undefined }) {
  const images = plural(summary.Stream?.ImageCount ?? 0, 'picture');
  const advice =
    'Light, camera, lens or material may have changed, and the figures of the training no longer hold. If that is a fault, such as a dirty lens, mend it. If it is to stay, move the model with ten good pictures of the new kind, which takes seconds, or train again with such pictures, which gives more.';
  switch (state) {
    case 'alarm':
      return (
        <Alert type="warning" header="The pictures no longer look like those of the training">
          <SpaceBetween size="s">
            <Box>
              The latest {images} are <b>{listed(summary.Stream?.Differences ?? [])}</b>. {advice}
            </Box>
            <Remedies {...model} />
          </SpaceBetween>
        </Alert>
      );
    case 'earlierAlarm':
      return (
        <Alert type="warning" header="The pictures did not look like those of the training when they were last compared">
          <SpaceBetween size="s">
            <Box>
              That was after {moment.format(history!.alarms.at(-1))}. {summary.Stream ? `Since then the server began anew and has judged ${images}; after ${kLeastPictures} it compares again. ` : ''}
              {advice}
            </Box>
            <Remedies {...model} />
          </SpaceBetween>
        </Alert>
      );
    case 'like':
      return <Alert type="success">The latest {images} look like the good pictures of the training.</Alert>;
    case 'tooFew':
      return (
        <Alert type="info" header="Not enough pictures yet">
          Since its start the server has judged {images} with this model. After {kLeastPictures} it compares them with the training.
        </Alert>
      );
    case 'unknown':
      return (
        <Alert type="info" header="This model cannot tell">
          It was trained by an earlier version, which did not keep what its good pictures looked like. Train again to have pictures compared with the training.
        </Alert>
      );
    case 'notServed':
      return <Alert type="info">Pictures are compared with the training while the model is in service. Start it, and have it judge pictures.</Alert>;
  }
}

/** The means of the time frame beside what good training pictures had. */
function Means({ history, summary, isAlarm }: { history: History; summary: ModelEvaluation; isAlarm: boolean }) {
  const training = new Map(summary.TrainingLooks?.Statistics?.map((s) => [s.MetricName, s]));
  const rows = shown.map((name) => ({ name, mean: history.statistics[name].mean, training: training.get(name) }));
  return (
    <Table
      variant="embedded"
      items={rows}
      trackBy="name"
      ariaLabels={{ tableLabel: 'Means of the time frame' }}
      columnDefinitions={[
        { id: 'name', header: 'Mean of', isRowHeader: true, cell: ({ name }) => statistics[name].label },
        { id: 'mean', header: 'Judged pictures', cell: ({ mean }) => (mean === undefined ? '–' : number(mean)) },
        {
          id: 'training',
          header: 'Nine in ten good training pictures',
          cell: ({ training: t }) => (t ? `${number(t.Low!)} to ${number(t.High!)}, half of them below ${number(t.Median!)}` : '–'),
        },
        {
          id: 'says',
          header: 'They are',
          cell: ({ name, mean, training: t }) => {
            const difference = differenceOf(name, mean, t);
            return mean === undefined || !t ? '–' : <StatusIndicator type={difference ? (isAlarm ? 'warning' : 'info') : 'success'}>{difference ?? 'as in the training'}</StatusIndicator>;
          },
        },
      ]}
    />
  );
}

function Charts({ history, summary }: { history: History; summary: ModelEvaluation }) {
  const training = new Map(summary.TrainingLooks?.Statistics?.map((s) => [s.MetricName, s]));
  const falseAlarms = summary.Metrics?.FalseAlarmRate;
  const frame = { start: history.start, end: history.end };
  return (
    <ColumnLayout columns={2} minColumnWidth={360}>
      <div>
        <Box variant="h3">Pictures judged</Box>
        <Box variant="small" color="text-body-secondary">
          In each period of the time frame.
        </Box>
        <DriftChart label="Pictures judged" points={history.judged} {...frame} levels={[]} format={count} fromZero />
      </div>
      <div>
        <Box variant="h3">Share of anomalies</Box>
        <Box variant="small" color="text-body-secondary">
          {falseAlarms === undefined ? 'Of the pictures judged.' : `Grey: the share of good pictures that the training called anomalous, ${percent(falseAlarms)}.`}
        </Box>
        <DriftChart
          label="Share of anomalies"
          points={history.share}
          {...frame}
          levels={falseAlarms === undefined ? [] : [{ title: 'False alarms in the training', value: falseAlarms }]}
          format={(value) => percent(value, 0)}
          fromZero
        />
      </div>
      {shown.map((name) => {
        const t = training.get(name);
        return (
          <div key={name}>
            <Box variant="h3">{statistics[name].label}</Box>
            <Box variant="small" color="text-body-secondary">
              {t ? `Grey: where good training pictures lie (5 %, 50 %, 95 %). ${statistics[name].explanation}` : statistics[name].explanation}
            </Box>
            <DriftChart
              label={statistics[name].label}
              points={history.statistics[name].points}
              {...frame}
              levels={
                t
                  ? [
                      { title: '95 % of good training pictures lie below', value: t.High! },
                      { title: 'Half of them lie below', value: t.Median! },
                      { title: '5 % of them lie below', value: t.Low! },
                    ]
                  : []
              }
              format={number}
            />
          </div>
        );
      })}
    </ColumnLayout>
  );
}

export default function DriftPanel({ project, version }: Props) {
  const { client } = useSession();
  const [frame, setFrame] = useState<Frame>(frames[1]!);
  const evaluation = useQuery({
    queryKey: ['drift', project, version],
    queryFn: async ({ signal }): Promise<ModelEvaluation | null> => {
      try {
        return (await client.call('DescribeModelEvaluation', { ProjectName: project, ModelVersion: version, MaxResults: 1 }, { signal })).ModelEvaluation ?? null;
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    refetchInterval: 15_000,
  });
  const history = useQuery({
    queryKey: ['drift', project, version, frame.value],
    queryFn: ({ signal }) => readHistory(client, project, version, frame, signal),
    refetchInterval: 30_000,
  });
  const refresh = () => {
    void evaluation.refetch();
    void history.refetch();
  };
  const error = evaluation.error ?? history.error;
  if (error)
    return (
      <Alert type="error" header="What the pictures look like cannot be read" action={<Button onClick={refresh}>Try again</Button>}>
        {sentenceOf(error)}
      </Alert>
    );
  if (evaluation.isPending) return <Spinner size="large" />;
  const summary = evaluation.data ?? {};
  const data = history.data;
  const alarms = data?.alarms ?? [];
  const state = stateOf(summary.Stream, summary.TrainingLooks !== undefined, data);
  return (
    <SpaceBetween size="l">
      <State project={project} version={version} state={state} summary={summary} history={data} />
      <Container
        header={
          <Header
            variant="h2"
            description={
              data &&
              data.images > 0 &&
              `${plural(data.images, 'picture was', 'pictures were')} judged, ${percent(data.anomalies / data.images)} of them called anomalous.` +
                (alarms.length ? ` They were unlike the training at times, last in the period from ${moment.format(alarms.at(-1))}.` : '')
            }
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Select
                  selectedOption={frame}
                  options={frames}
                  ariaLabel="Time frame"
                  onChange={({ detail }) => setFrame(frames.find(({ value }) => value === detail.selectedOption.value)!)}
                />
                <Button iconName="refresh" ariaLabel="Refresh" loading={history.isFetching} onClick={refresh} />
              </SpaceBetween>
            }
          >
            The judged pictures beside the training
          </Header>
        }
      >
        {!data ? (
          <Spinner />
        ) : data.images === 0 ? (
          <Box textAlign="center" padding="l">
            <Box variant="strong">No pictures in this time frame</Box>
            <Box variant="p" color="text-body-secondary">
              Charts begin with the first picture that the model judges in service. Choose a longer time frame, or have it judge pictures.
            </Box>
          </Box>
        ) : (
          <SpaceBetween size="l">
            <Means history={data} summary={summary} isAlarm={state === 'alarm' || state === 'earlierAlarm'} />
            <Charts history={data} summary={summary} />
          </SpaceBetween>
        )}
      </Container>
    </SpaceBetween>
  );
}
