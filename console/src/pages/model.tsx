import { lazy, Suspense, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Button from '@cloudscape-design/components/button';
import ContentLayout from '@cloudscape-design/components/content-layout';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import Tabs from '@cloudscape-design/components/tabs';
import { useHashLocation } from 'wouter/use-hash-location';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import { keys, useModel } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { useMessages } from '../app/messages.tsx';
import { NotFound } from '../app/not_found.tsx';
import { paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { CorrectionsPanel } from '../corrections/corrections_panel.tsx';
import { DeleteModel } from './delete_model.tsx';
import { ModelDetails } from './model_details.tsx';
import { ModelPerformancePanel } from './model_performance.tsx';
import { ModelStatus } from './model_status.tsx';
import { ModelTags } from './model_tags.tsx';
import { ModelTraining } from './model_training.tsx';
import { ModelUse } from './model_use.tsx';

const DriftPanel = lazy(() => import('./drift_panel.tsx'));

export default function ModelPage({ project, version }: { project: string; version: string }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [, navigate] = useHashLocation();
  const model = useModel(project, version);
  const [tab, setTab] = useState('performance');
  const [deleting, setDeleting] = useState(false);
  const [busy, setBusy] = useState(false);

  if (isNotFound(model.error)) return <NotFound />;
  if (model.error)
    return (
      <Alert type="error" header="The model cannot be read" action={<Button onClick={() => void model.refetch()}>Try again</Button>}>
        {sentenceOf(model.error)}
      </Alert>
    );
  if (!model.data) return <Spinner size="large" />;
  const { Status: status = 'TRAINING', StatusMessage: message } = model.data;
  const trained = status !== 'TRAINING' && status !== 'TRAINING_FAILED';
  const canStart = status === 'TRAINED' || status === 'HOSTING_FAILED';
  const canStop = status === 'HOSTED';

  async function change(operation: 'StartModel' | 'StopModel') {
    setBusy(true);
    const input = { ProjectName: project, ModelVersion: version };
    try {
      if (operation === 'StartModel') {
        await client.call('StartModel', { ...input, MinInferenceUnits: 1 });
        // Whoever starts a model wants to try or to call it.
        setTab('use');
      } else await client.call('StopModel', input);
    } catch (error) {
      messages.fail(operation === 'StartModel' ? 'The model was not started' : 'The model was not stopped', error);
    }
    await queries.invalidateQueries({ queryKey: keys.models(project) });
    setBusy(false);
  }

  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={model.data.Description}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <ActionButton
                action="lookoutvision:DeleteModel"
                disabled={!canStart && status !== 'TRAINING_FAILED'}
                disabledReason={status === 'TRAINING' ? 'The model is in training.' : 'Stop the model first.'}
                onClick={() => setDeleting(true)}
              >
                Delete
              </ActionButton>
              {canStop || status === 'STOPPING_HOSTING' ? (
                <ActionButton action="lookoutvision:StopModel" loading={busy || !canStop} onClick={() => void change('StopModel')}>
                  Stop
                </ActionButton>
              ) : (
                trained && (
                  <ActionButton action="lookoutvision:StartModel" variant="primary" loading={busy || status === 'STARTING_HOSTING'} onClick={() => void change('StartModel')}>
                    Start
                  </ActionButton>
                )
              )}
            </SpaceBetween>
          }
        >
          Model {version} <ModelStatus model={model.data} />
        </Header>
      }
    >
      <SpaceBetween size="l">
        {(status === 'TRAINING_FAILED' || status === 'HOSTING_FAILED') && (
          <Alert
            type="error"
            header={status === 'TRAINING_FAILED' ? 'The training failed' : 'The model could not be put in service'}
            action={status === 'TRAINING_FAILED' && <Button onClick={() => navigate(paths.dataset(project))}>Open the dataset</Button>}
          >
            {message}
          </Alert>
        )}
        {status === 'TRAINING' && <ModelTraining project={project} version={version} />}
        {trained && (
          <Tabs
            activeTabId={tab}
            onChange={({ detail }) => setTab(detail.activeTabId)}
            tabs={[
              { id: 'performance', label: 'Performance metrics', content: <ModelPerformancePanel project={project} version={version} onShowDrift={() => setTab('drift')} /> },
              { id: 'use', label: 'Use model', content: <ModelUse project={project} version={version} model={model.data} onStart={() => void change('StartModel')} /> },
              {
                id: 'drift',
                label: 'Drift',
                content: (
                  <Suspense fallback={<Spinner size="large" />}>
                    <DriftPanel project={project} version={version} />
                  </Suspense>
                ),
              },
              { id: 'corrections', label: 'Corrections', content: <CorrectionsPanel project={project} version={version} onTry={() => setTab('use')} /> },
              { id: 'tags', label: 'Tags', content: <ModelTags arn={model.data.ModelArn!} /> },
              { id: 'details', label: 'Details', content: <ModelDetails model={model.data} /> },
            ]}
          />
        )}
      </SpaceBetween>
      {deleting && <DeleteModel project={project} version={version} onClose={() => setDeleting(false)} onDeleted={() => navigate(paths.models(project))} />}
    </ContentLayout>
  );
}
