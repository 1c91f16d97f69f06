import { useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Header from '@cloudscape-design/components/header';
import Link from '@cloudscape-design/components/link';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Table from '@cloudscape-design/components/table';
import { useHashLocation } from 'wouter/use-hash-location';
import { sentenceOf } from '../api/errors.ts';
import type { ModelMetadata } from '../api/generated.ts';
import { useDataset, useModels } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, percent, time } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { missingForTraining } from '../gallery/readiness.ts';
import { DeleteModel } from './delete_model.tsx';
import { LearningCurve } from './learning_curve.tsx';
import { ModelStatus } from './model_status.tsx';

const isTrained = ({ Status }: ModelMetadata) => !!Status && !['TRAINING', 'TRAINING_FAILED', 'DELETING'].includes(Status);

export default function ModelsPage({ project }: { project: string }) {
  const [, navigate] = useHashLocation();
  const models = useModels(project);
  const train = useDataset(project, 'train');
  const test = useDataset(project, 'test');
  const [selected, setSelected] = useState<ModelMetadata[]>([]);
  const [deleting, setDeleting] = useState<string>();
  const missing = missingForTraining(train.data?.ImageStats, test.data?.ImageStats);
  const chosenOnes = (models.data ?? []).filter((model) => selected.some(({ ModelVersion }) => ModelVersion === model.ModelVersion));
  const chosen = chosenOnes.length === 1 ? chosenOnes[0] : undefined;
  const compared = chosenOnes.filter(isTrained).map(({ ModelVersion }) => ModelVersion!);
  compared.sort((a, b) => Number(a) - Number(b));
  const inUse = chosen && !['TRAINED', 'TRAINING_FAILED', 'HOSTING_FAILED'].includes(chosen.Status ?? '');
  const trainButton = (
    <ActionButton
      action="lookoutvision:CreateModel"
      variant="primary"
      disabled={missing.length > 0}
      disabledReason={missing.join(' ')}
      onClick={() => navigate(paths.train(project))}
    >
      Train model
    </ActionButton>
  );
  return (
    <>
      <Table
        variant="full-page"
        items={models.data ?? []}
        trackBy="ModelVersion"
        wrapLines
        loading={models.isPending}
        loadingText="Reading the models"
        selectionType="multi"
        selectedItems={chosenOnes}
        onSelectionChange={({ detail }) => setSelected(detail.selectedItems)}
        ariaLabels={{ selectionGroupLabel: 'Models', allItemsSelectionLabel: () => 'All models', itemSelectionLabel: (_, item) => `Model ${item.ModelVersion}`, tableLabel: 'Models' }}
        header={
          <Header
            variant="h1"
            counter={models.data ? `(${count(models.data.length)})` : ''}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button
                  disabled={compared.length !== 2 || chosenOnes.length !== 2}
                  disabledReason="Choose two trained models."
                  onClick={() => navigate(paths.compare(project, compared[0]!, compared[1]!))}
                >
                  Compare
                </Button>
                <ActionButton
                  action="lookoutvision:DeleteModel"
                  disabled={!chosen || inUse}
                  disabledReason={inUse ? 'A model in training or in service cannot be deleted. Stop it first.' : undefined}
                  onClick={() => setDeleting(chosen?.ModelVersion)}
                >
                  Delete
                </ActionButton>
                {trainButton}
              </SpaceBetween>
            }
          >
            Models
          </Header>
        }
        columnDefinitions={[
          {
            id: 'name',
            minWidth: 100,
            header: 'Model',
            isRowHeader: true,
            cell: (item) => <Link href={href(paths.model(project, item.ModelVersion!))}>{`Model ${item.ModelVersion}`}</Link>,
          },
          { id: 'status', minWidth: 135, header: 'Status', cell: (item) => <ModelStatus model={item} /> },
          { id: 'created', minWidth: 150, header: 'Made', cell: (item) => time(item.CreationTimestamp) },
          { id: 'precision', minWidth: 95, header: 'Precision', cell: (item) => percent(item.Performance?.Precision) },
          { id: 'recall', minWidth: 95, header: 'Recall', cell: (item) => percent(item.Performance?.Recall) },
          { id: 'f1', minWidth: 95, header: 'F1 score', cell: (item) => percent(item.Performance?.F1Score) },
          { id: 'description', minWidth: 110, header: 'Description', cell: (item) => item.Description ?? '–' },
          { id: 'message', minWidth: 200, header: 'Message', cell: (item) => <Box color="text-body-secondary">{item.StatusMessage}</Box> },
        ]}
        empty={
          models.error ? (
            <Alert type="error" header="The models cannot be read" action={<Button onClick={() => void models.refetch()}>Try again</Button>}>
              {sentenceOf(models.error)}
            </Alert>
          ) : (
            <Box textAlign="center" padding="l">
              <Box variant="strong">No model yet</Box>
              <Box variant="p" color="text-body-secondary">
                {missing.length ? missing.join(' ') : 'Train one from the labelled pictures of the dataset.'}
              </Box>
              {missing.length ? <Button onClick={() => navigate(train.data ? paths.dataset(project) : paths.createDataset(project))}>Bring pictures</Button> : trainButton}
            </Box>
          )
        }
      />
      <LearningCurve project={project} versions={(models.data ?? []).filter(isTrained).map(({ ModelVersion }) => ModelVersion!)} />
      {deleting && <DeleteModel project={project} version={deleting} onClose={() => setDeleting(undefined)} />}
    </>
  );
}
