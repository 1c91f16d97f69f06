import { useMemo } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import Header from '@cloudscape-design/components/header';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import Link from '@cloudscape-design/components/link';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Steps, { type StepsProps } from '@cloudscape-design/components/steps';
import { useHashLocation } from 'wouter/use-hash-location';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import { useDataset, useModels, useProject } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, plural, time } from '../app/format.ts';
import { NotFound } from '../app/not_found.tsx';
import { href, paths } from '../app/paths.ts';
import { kEnough, missingForTraining } from '../gallery/readiness.ts';
import { isUsable, ModelStatus } from './model_status.tsx';

export function ProjectPage({ project }: { project: string }) {
  const [, navigate] = useHashLocation();
  const described = useProject(project);
  const train = useDataset(project, 'train');
  const test = useDataset(project, 'test');
  const models = useModels(project);
  const missing = useMemo(() => missingForTraining(train.data?.ImageStats, test.data?.ImageStats), [train.data, test.data]);
  if (isNotFound(described.error)) return <NotFound />;
  const error = described.error ?? train.error ?? models.error;
  const stats = train.data?.ImageStats;
  const newest = models.data?.[0];
  const hosted = models.data?.find((model) => model.Status === 'HOSTED');
  const trained = models.data?.some(isUsable);
  const step = (done: boolean | undefined, current: boolean | undefined): StepsProps.Status => (done ? 'success' : current ? 'in-progress' : 'pending');
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {train.data === null ? (
                <ActionButton action="lookoutvision:CreateDataset" variant="primary" onClick={() => navigate(paths.createDataset(project))}>
                  Create dataset
                </ActionButton>
              ) : (
                <>
                  <Button href={href(paths.dataset(project))}>Open the dataset</Button>
                  <ActionButton
                    action="lookoutvision:CreateModel"
                    variant="primary"
                    disabled={missing.length > 0}
                    disabledReason={missing.join(' ')}
                    onClick={() => navigate(paths.train(project))}
                  >
                    Train model
                  </ActionButton>
                </>
              )}
            </SpaceBetween>
          }
        >
          {project}
        </Header>
      }
    >
      <SpaceBetween size="l">
        {error && (
          <Alert type="error" header="The project cannot be read" action={<Button onClick={() => void described.refetch()}>Try again</Button>}>
            {sentenceOf(error)}
          </Alert>
        )}
        <Container header={<Header variant="h2">How it works</Header>}>
          <Steps
            steps={[
              {
                status: step(!!stats?.Total, train.data === null || stats?.Total === 0),
                header: <Link href={href(train.data ? paths.dataset(project) : paths.createDataset(project))}>Bring your pictures</Link>,
                details: `Drop folders of pictures, or name a folder of a bucket. ${kEnough}`,
              },
              {
                status: step(!!stats && missing.length === 0, !!stats?.Total),
                header: train.data ? <Link href={href(paths.dataset(project))}>Label them</Link> : 'Label them',
                details:
                  stats?.Total && missing.length > 0
                    ? missing.join(' ')
                    : 'Say which parts are normal and which are anomalous. Draw where the defects are, if the model should show that.',
              },
              {
                status: step(trained, missing.length === 0 && !!stats),
                header: missing.length === 0 && stats ? <Link href={href(paths.train(project))}>Train a model</Link> : 'Train a model',
                details: 'It takes minutes on ordinary processors. You see how good it is on pictures that it has not learned from.',
              },
              {
                status: step(!!hosted, trained),
                header: trained ? <Link href={href(paths.models(project))}>Put it in service</Link> : 'Put it in service',
                details: 'Start the model, try a picture, and call it from your line with the commands that its page shows.',
              },
            ]}
          />
        </Container>
        <ColumnLayout columns={2} minColumnWidth={320}>
          <Container header={<Header variant="h2" actions={train.data && <Button href={href(paths.dataset(project))}>Open</Button>}>Dataset</Header>} fitHeight>
            {train.data ? (
              <SpaceBetween size="s">
                {train.data.Status === 'CREATE_FAILED' && <Alert type="error">{train.data.StatusMessage}</Alert>}
                <KeyValuePairs
                  columns={2}
                  items={[
                    { label: test.data ? 'Training pictures' : 'Pictures', value: count(stats?.Total) },
                    { label: 'Without a label', value: count((stats?.Total ?? 0) - (stats?.Labeled ?? 0)) },
                    { label: 'Normal', value: count(stats?.Normal) },
                    { label: 'Anomaly', value: count(stats?.Anomaly) },
                    ...(test.data ? [{ label: 'Test pictures', value: count(test.data.ImageStats?.Total) }] : []),
                  ]}
                />
              </SpaceBetween>
            ) : (
              <Box color="text-body-secondary">{train.isPending ? 'Reading …' : 'There are no pictures yet.'}</Box>
            )}
          </Container>
          <Container header={<Header variant="h2" actions={!!models.data?.length && <Button href={href(paths.models(project))}>Open</Button>}>Models</Header>} fitHeight>
            {newest ? (
              <KeyValuePairs
                columns={2}
                items={[
                  { label: 'Models', value: count(models.data?.length) },
                  { label: 'In service', value: hosted ? <Link href={href(paths.model(project, hosted.ModelVersion!))}>Model {hosted.ModelVersion}</Link> : 'none' },
                  {
                    label: 'Newest',
                    value: (
                      <>
                        <Link href={href(paths.model(project, newest.ModelVersion!))}>Model {newest.ModelVersion}</Link> <ModelStatus model={newest} />
                      </>
                    ),
                  },
                  { label: 'Made', value: time(newest.CreationTimestamp) },
                ]}
              />
            ) : (
              <Box color="text-body-secondary">{models.isPending ? 'Reading …' : missing.length === 0 ? `Ready to train with ${plural(stats?.Labeled ?? 0, 'labelled picture')}.` : 'There is no model yet.'}</Box>
            )}
          </Container>
        </ColumnLayout>
        <Box color="text-body-secondary" fontSize="body-s">
          {described.data?.ProjectArn}
        </Box>
      </SpaceBetween>
    </ContentLayout>
  );
}
