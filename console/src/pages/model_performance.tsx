// What a training found out: the figures with their intervals, what another threshold would do, and the pictures right and wrong.
import { lazy, Suspense } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import { count, percent, plural } from '../app/format.ts';
import { listed } from './drift.ts';
import { rangeOf } from './evaluation.ts';
import { useEvaluation } from './evaluation_query.ts';
import { ThresholdPanel, useThreshold } from './threshold_panel.tsx';

const ModelPictures = lazy(() => import('./model_pictures.tsx'));

function Figure({ name, value, range, explanation }: { name: string; value: number | undefined; range?: [number, number]; explanation: string }) {
  return (
    <div>
      <Box variant="awsui-key-label">{name}</Box>
      <Box fontSize="display-l" fontWeight="bold">
        {percent(value)}
      </Box>
      <Box color="text-body-secondary" fontSize="body-s">
        {range && <div>{`95 % sure: ${percent(range[0], 0)} to ${percent(range[1], 0)}`}</div>}
        {explanation}
      </Box>
    </div>
  );
}

export function ModelPerformancePanel({ project, version, onShowDrift }: { project: string; version: string; onShowDrift(): void }) {
  const evaluation = useEvaluation(project, version);
  const threshold = useThreshold(project, version);
  const range = (name: string) => (evaluation.data ? rangeOf(evaluation.data.summary, name) : undefined);

  if (evaluation.error)
    return (
      <Alert type="error" header="The results cannot be read" action={<Button onClick={() => void evaluation.refetch()}>Try again</Button>}>
        {sentenceOf(evaluation.error)}
      </Alert>
    );
  if (evaluation.isPending) return <Spinner size="large" />;
  if (!evaluation.data) return <Alert type="info">This model was trained before results were kept. Train a new one to see how good it is.</Alert>;

  const { summary, pictures } = evaluation.data;
  const metrics = summary.Metrics ?? {};
  const outOfFold = summary.EvaluatedOn === 'OUT_OF_FOLD';
  const labels = summary.PixelAnomalyClassMetrics ?? [];
  const warnings = summary.Warnings ?? [];
  return (
    <SpaceBetween size="l">
      {warnings.length > 0 && (
        <Alert type="warning" header={warnings.length === 1 ? 'The training noticed something' : `The training noticed ${warnings.length} things`}>
          <ul className="failures">
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </Alert>
      )}
      {summary.Stream?.State === 'UNLIKE_TRAINING' && (
        <Alert type="warning" header="The latest pictures do not look like those of the training" action={<Button onClick={onShowDrift}>See what has changed</Button>}>
          They are {listed(summary.Stream.Differences ?? [])}. These figures no longer hold for them.
        </Alert>
      )}
      <Container
        header={
          <Header
            variant="h2"
            description={
              outOfFold
                ? `On ${plural(summary.TestingImageCount ?? 0, 'picture')}, each judged by a model that had not seen it.`
                : `On ${plural(summary.TestingImageCount ?? 0, 'picture')} of the test dataset.`
            }
          >
            Model performance metrics
          </Header>
        }
      >
        <ColumnLayout columns={4} variant="text-grid" minColumnWidth={190}>
          <Figure name="Precision" value={metrics.Precision} range={range('Precision')} explanation="The share of pictures called anomalous that are anomalous." />
          <Figure name="Recall" value={metrics.Recall} range={range('Recall')} explanation="The share of anomalous pictures that are called anomalous." />
          <Figure name="F1 score" value={metrics.F1Score} explanation="The harmonic mean of precision and recall." />
          <Figure name="False alarms" value={metrics.FalseAlarmRate} range={range('FalseAlarmRate')} explanation="The share of good pictures that are called anomalous." />
        </ColumnLayout>
      </Container>
      {labels.length > 0 && (
        <Table
          header={<Header variant="h2">Performance per label</Header>}
          items={labels}
          trackBy="ClassName"
          columnDefinitions={[
            { id: 'label', header: 'Label', cell: (item) => item.ClassName, isRowHeader: true },
            { id: 'f1', header: 'F1 score', cell: (item) => percent(item.F1Score) },
            { id: 'precision', header: 'Precision', cell: (item) => percent(item.Precision) },
            { id: 'recall', header: 'Recall', cell: (item) => percent(item.Recall) },
            { id: 'iou', header: 'Average IoU', cell: (item) => percent(item.AIOU) },
          ]}
        />
      )}
      <ThresholdPanel project={project} version={version} pictures={pictures} threshold={threshold} />
      <Suspense fallback={<Spinner />}>
        <ModelPictures project={project} version={version} evaluation={evaluation.data} threshold={threshold.shown} isInForce={threshold.chosen === undefined} />
      </Suspense>
      <ExpandableSection headerText="How the methods of the model did" variant="container">
        <Table
          variant="embedded"
          items={summary.Contest ?? []}
          trackBy="Method"
          columnDefinitions={[
            { id: 'method', header: 'Method', cell: (item) => item.Method, isRowHeader: true },
            { id: 'auroc', header: 'AUROC alone', cell: (item) => item.ROCAUC?.toFixed(3) ?? '–' },
            { id: 'verdict', header: 'Weight in the verdict', cell: (item) => percent(item.VerdictWeight, 0) },
            { id: 'map', header: 'Weight in the heat map', cell: (item) => percent(item.MapWeight, 0) },
          ]}
        />
        <Box padding={{ top: 's' }} color="text-body-secondary">
          Ranking of pictures: AUROC {metrics.ROCAUC?.toFixed(3) ?? '–'}, average precision {metrics.AveragePrecision?.toFixed(3) ?? '–'}. Confidences are off by{' '}
          {percent(metrics.ExpectedCalibrationError)} on average. Trained on {count(summary.TrainingImageCount)} pictures in {summary.TrainingSeconds?.toFixed(0) ?? '–'} s
          {summary.SkippedCount ? `; ${plural(summary.SkippedCount, 'picture was', 'pictures were')} left out` : ''}.
        </Box>
      </ExpandableSection>
    </SpaceBetween>
  );
}
