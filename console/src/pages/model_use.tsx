// Puts a model in service, tries it, and shows how programs call it.
import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Tabs from '@cloudscape-design/components/tabs';
import type { ModelDescription } from '../api/generated.ts';
import { keys } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { useMessages } from '../app/messages.tsx';
import { useSession } from '../session/session.tsx';
import { snippets } from './snippets.ts';
import { TryPicture } from './try_picture.tsx';

function Units({ project, version, model }: { project: string; version: string; model: ModelDescription }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [least, setLeast] = useState(String(model.MinInferenceUnits ?? 1));
  const [most, setMost] = useState(String(model.MaxInferenceUnits ?? ''));
  const [busy, setBusy] = useState(false);
  const same = least === String(model.MinInferenceUnits ?? 1) && most === String(model.MaxInferenceUnits ?? '');
  async function save() {
    setBusy(true);
    try {
      const input = { ProjectName: project, ModelVersion: version, MinInferenceUnits: Number(least), ...(most ? { MaxInferenceUnits: Number(most) } : {}) };
      await client.call('UpdateModelUnits', input);
      messages.succeed('The units were changed. The model went on judging meanwhile.');
    } catch (error) {
      messages.fail('The units were not changed', error);
    }
    await queries.invalidateQueries({ queryKey: keys.model(project, version) });
    setBusy(false);
  }
  return (
    <SpaceBetween direction="horizontal" size="m" alignItems="end">
      <FormField label="Inference units" description="Shares of this machine's processors.">
        <Input type="number" value={least} ariaLabel="Inference units" onChange={({ detail }) => setLeast(detail.value)} />
      </FormField>
      <FormField label="At most (optional)" description="Up to this many when there is much to do.">
        <Input type="number" value={most} ariaLabel="Most inference units" onChange={({ detail }) => setMost(detail.value)} />
      </FormField>
      <ActionButton action="vedette:UpdateModelUnits" loading={busy} disabled={same || !(Number(least) >= 1)} onClick={() => void save()}>
        Change the units
      </ActionButton>
    </SpaceBetween>
  );
}

interface Props {
  project: string;
  version: string;
  model: ModelDescription;
  onStart(): void;
}

export function ModelUse({ project, version, model, onStart }: Props) {
  const { region } = useSession();
  const hosted = model.Status === 'HOSTED';
  const [tab, setTab] = useState('cli');
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Service</Header>}>
        {hosted ? (
          <SpaceBetween size="m">
            <Box>{model.StatusMessage}</Box>
            <Units key={`${model.MinInferenceUnits}/${model.MaxInferenceUnits}`} project={project} version={version} model={model} />
          </SpaceBetween>
        ) : (
          <SpaceBetween size="s">
            <Box>The model judges pictures while it is in service. Starting it usually takes less than a second, and it stays in service when the server is restarted.</Box>
            <ActionButton action="lookoutvision:StartModel" variant="primary" loading={model.Status === 'STARTING_HOSTING'} onClick={onStart}>
              Start the model
            </ActionButton>
          </SpaceBetween>
        )}
      </Container>
      <Container header={<Header variant="h2" description="Drop a picture and see what the model says about it.">Try a picture</Header>}>
        {hosted ? <TryPicture project={project} version={version} /> : <Alert type="info">Start the model first.</Alert>}
      </Container>
      <Container header={<Header variant="h2" description="Ready to copy: they call this model on this server.">Integrate the API</Header>}>
        <Tabs
          activeTabId={tab}
          onChange={({ detail }) => setTab(detail.activeTabId)}
          tabs={snippets({ endpoint: location.origin, region, project, version }).map(({ id, label, text }) => ({
            id,
            label,
            content: (
              <SpaceBetween size="xs">
                <pre className="snippet" tabIndex={0} aria-label={`${label} snippet`} role="region">
                  {text}
                </pre>
                <CopyToClipboard textToCopy={text} copyButtonText="Copy" copySuccessText="Copied" copyErrorText="The browser did not let the page copy" />
              </SpaceBetween>
            ),
          }))}
        />
        <Box color="text-body-secondary" fontSize="body-s" padding={{ top: 's' }}>
          SDKs and command lines since October 2025 no longer hold the service. <code>vedette client-model install</code> brings it back to boto3 and the AWS CLI. Programs
          need an access key of their own: the page <Button variant="inline-link" href="#/users">Users and keys</Button> makes one that may only detect.
        </Box>
      </Container>
    </SpaceBetween>
  );
}
