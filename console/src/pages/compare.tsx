// Two versions of a model, side by side and picture by picture.
import { useMemo, useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import type { EvaluatedPicture, EvaluationMetrics } from '../api/generated.ts';
import { count, percent, plural } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { kAnomaly, kNormal, nameOf, type GalleryRow } from '../gallery/rows.ts';
import { RowsGallery } from '../gallery/rows_gallery.tsx';
import { compare, judge, type Cell, type Pair } from './comparison.ts';
import { rangeOf, type Evaluation } from './evaluation.ts';
import { useEvaluation } from './evaluation_query.ts';

const kFigures: { name: keyof EvaluationMetrics; title: string }[] = [
  { name: 'F1Score', title: 'F1 score' },
  { name: 'Precision', title: 'Precision' },
  { name: 'Recall', title: 'Recall' },
  { name: 'FalseAlarmRate', title: 'False alarms' },
  { name: 'ROCAUC', title: 'Ranking (AUROC)' },
];

function figure({ summary }: Evaluation, name: keyof EvaluationMetrics): string {
  const range = rangeOf(summary, name);
  return `${percent(summary.Metrics?.[name])}${range ? ` (95 % sure: ${percent(range[0], 0)} to ${percent(range[1], 0)})` : ''}`;
}

const says = ({ Label, Verdict, AnomalyScore }: EvaluatedPicture) => `${Label === Verdict ? '✓' : '✗'} ${AnomalyScore?.toPrecision(3) ?? '–'}`;

function rowOf({ sourceRef, isAnomaly, anomalyLabels, first, second }: Pair, names: [string, string]): GalleryRow {
  return {
    sourceRef,
    name: nameOf(sourceRef),
    label: isAnomaly ? kAnomaly : kNormal,
    anomalyLabels,
    verdict: second.Verdict === 'anomaly' ? kAnomaly : kNormal,
    score: second.AnomalyScore,
    confidence: second.Confidence,
    remark: `${names[0]} ${says(first)} · ${names[1]} ${says(second)}`,
  };
}

const basis = ({ summary }: Evaluation) => (summary.EvaluatedOn === 'OUT_OF_FOLD' ? 'training pictures, each judged by models that had not seen it' : 'pictures of the test dataset');

function Comparing({ project, first, second, left, right }: { project: string; first: string; second: string; left: Evaluation; right: Evaluation }) {
  const { cells, firstAlone, secondAlone, relabelled } = useMemo(() => compare(left.pictures, right.pictures), [left, right]);
  const names: [string, string] = [`Model ${first}`, `Model ${second}`];
  const titles: Record<Cell, string> = {
    bothRight: 'Both right',
    onlyFirst: `Only ${names[0]} right`,
    onlySecond: `Only ${names[1]} right`,
    bothWrong: 'Both wrong',
  };
  const [chosen, setChosen] = useState<Cell>();
  const cell = chosen ?? (cells.onlySecond.length ? 'onlySecond' : cells.onlyFirst.length ? 'onlyFirst' : cells.bothWrong.length ? 'bothWrong' : 'bothRight');
  const rows = useMemo(() => cells[cell].map((pair) => rowOf(pair, [first, second])), [cells, cell, first, second]);
  const looking = useMemo(() => ({ project, version: second, note: `Model ${second} looks here.` }), [project, second]);
  const both = Object.values(cells).reduce((sum, pairs) => sum + pairs.length, 0);
  const rest = [
    firstAlone && `${plural(firstAlone, 'picture was', 'pictures were')} judged by ${names[0]} only`,
    secondAlone && `${plural(secondAlone, 'picture was', 'pictures were')} judged by ${names[1]} only`,
    relabelled && `${plural(relabelled, 'picture has', 'pictures have')} another label now`,
  ].filter(Boolean);
  const link = (one: Cell) => (
    <Link
      ariaLabel={`Show ${plural(cells[one].length, 'picture')}: ${titles[one]}`}
      onFollow={(event) => {
        event.preventDefault();
        setChosen(one);
      }}
    >
      {one === cell ? <strong>{count(cells[one].length)}</strong> : count(cells[one].length)}
    </Link>
  );
  return (
    <SpaceBetween size="l">
      {left.summary.EvaluatedOn !== right.summary.EvaluatedOn && (
        <Alert type="info">
          {names[0]} was evaluated on {basis(left)}, {names[1]} on {basis(right)}. The figures are of different pictures; the table of pictures below is of those that both judged.
        </Alert>
      )}
      <Table
        header={<Header variant="h2" description="Each of all pictures that its own evaluation judged.">Figures</Header>}
        items={kFigures}
        trackBy="name"
        ariaLabels={{ tableLabel: 'Figures' }}
        columnDefinitions={[
          { id: 'figure', header: 'Figure', cell: ({ title }) => title, isRowHeader: true },
          { id: 'first', header: names[0], cell: ({ name }) => figure(left, name) },
          { id: 'second', header: names[1], cell: ({ name }) => figure(right, name) },
        ]}
        footer={
          <Box color="text-body-secondary">
            {names[0]} was trained on {plural(left.summary.TrainingImageCount ?? 0, 'picture')} and judged {count(left.summary.TestingImageCount)}; {names[1]} was trained on{' '}
            {plural(right.summary.TrainingImageCount ?? 0, 'picture')} and judged {count(right.summary.TestingImageCount)}.
          </Box>
        }
      />
      <Table
        header={
          <Header variant="h2" description={`${plural(both, 'picture was', 'pictures were')} judged by both${rest.length ? `; ${rest.join('; ')}` : ''}. The verdicts are those of the evaluations.`}>
            Picture by picture
          </Header>
        }
        items={[
          { name: `${names[0]} right`, right: 'bothRight' as const, wrong: 'onlyFirst' as const },
          { name: `${names[0]} wrong`, right: 'onlySecond' as const, wrong: 'bothWrong' as const },
        ]}
        trackBy="name"
        ariaLabels={{ tableLabel: 'Picture by picture' }}
        columnDefinitions={[
          { id: 'name', header: '', cell: ({ name }) => name, isRowHeader: true },
          { id: 'right', header: `${names[1]} right`, cell: ({ right: one }) => link(one) },
          { id: 'wrong', header: `${names[1]} wrong`, cell: ({ wrong: one }) => link(one) },
        ]}
        footer={both > 0 ? <Box>{judge(cells.onlyFirst.length, cells.onlySecond.length, ...names)}</Box> : undefined}
      />
      <Container
        header={
          <Header
            variant="h2"
            counter={`(${count(rows.length)})`}
            description={`Below each picture: whether Model ${first} and Model ${second} are right, and their anomaly scores. Scores of two versions cannot be compared with each other.`}
          >
            {titles[cell]}
          </Header>
        }
      >
        <RowsGallery rows={rows} name={titles[cell]} height={480} looking={looking} empty={<Box>There is no such picture.</Box>} />
      </Container>
    </SpaceBetween>
  );
}

export default function ComparePage({ project, first, second }: { project: string; first: string; second: string }) {
  const left = useEvaluation(project, first);
  const right = useEvaluation(project, second);
  const error = left.error ?? right.error;
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={
            <>
              What became better, and what became worse, from <Link href={href(paths.model(project, first))}>Model {first}</Link> to <Link href={href(paths.model(project, second))}>Model {second}</Link>.
            </>
          }
        >
          Model {first} and Model {second}
        </Header>
      }
    >
      {error ? (
        <Alert
          type="error"
          header="The results cannot be read"
          action={
            <Button
              onClick={() => {
                void left.refetch();
                void right.refetch();
              }}
            >
              Try again
            </Button>
          }
        >
          {sentenceOf(error)}
        </Alert>
      ) : left.data === undefined || right.data === undefined ? (
        <Spinner size="large" />
      ) : left.data && right.data ? (
        <Comparing project={project} first={first} second={second} left={left.data} right={right.data} />
      ) : (
        <Alert type="info">Model {left.data ? second : first} has no results that were kept. Choose models that were trained by this version of the server.</Alert>
      )}
    </ContentLayout>
  );
}
