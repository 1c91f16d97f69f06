import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import AttributeEditor from '@cloudscape-design/components/attribute-editor';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import Modal from '@cloudscape-design/components/modal';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { useHashLocation } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { keys, useDataset } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count } from '../app/format.ts';
import { paths } from '../app/paths.ts';
import { missingForTraining } from '../gallery/readiness.ts';
import { useSession } from '../session/session.tsx';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';

export default function TrainPage({ project }: { project: string }) {
  const { client } = useSession();
  const consoleBucket = useConsoleBucket();
  const queries = useQueryClient();
  const [, navigate] = useHashLocation();
  const train = useDataset(project, 'train');
  const test = useDataset(project, 'test');
  const [description, setDescription] = useState('');
  const [kmsKey, setKmsKey] = useState('');
  const [tags, setTags] = useState<{ key: string; value: string }[]>([]);
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [token] = useState(clientToken());
  const missing = train.data === undefined ? [] : missingForTraining(train.data?.ImageStats, test.data?.ImageStats);
  const stats = train.data?.ImageStats;

  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      const bucket = await consoleBucket();
      const { ModelMetadata } = await client.call('CreateModel', {
        ProjectName: project,
        ClientToken: token,
        OutputConfig: { S3Location: { Bucket: bucket, Prefix: `projects/${project}/models/` } },
        ...(description ? { Description: description } : {}),
        ...(kmsKey ? { KmsKeyId: kmsKey } : {}),
        ...(tags.length ? { Tags: tags.map(({ key, value }) => ({ Key: key, Value: value })) } : {}),
      });
      await queries.invalidateQueries({ queryKey: keys.models(project) });
      navigate(paths.model(project, ModelMetadata!.ModelVersion!));
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
      setAsking(false);
    }
  }

  return (
    <ContentLayout header={<Header variant="h1">Train model</Header>}>
      <SpaceBetween size="l">
        {missing.length > 0 && (
          <Alert type="warning" header="There are not enough labelled pictures" action={<Button onClick={() => navigate(paths.dataset(project))}>Open the dataset</Button>}>
            {missing.join(' ')} Only saved labels count.
          </Alert>
        )}
        {problem && (
          <Alert type="error" header="The training did not begin">
            {problem}
          </Alert>
        )}
        <Container header={
            <Header
              variant="h2"
              actions={<Button onClick={() => navigate(paths.doctor(project))}>Check the dataset</Button>}
              description="The dataset doctor finds what may spoil a training before it takes its time."
            >
              What the model learns from
            </Header>
          }>
          <KeyValuePairs
            columns={4}
            items={[
              { label: 'Labelled pictures', value: count(stats?.Labeled) },
              { label: 'Normal', value: count(stats?.Normal) },
              { label: 'Anomaly', value: count(stats?.Anomaly) },
              test.data
                ? { label: 'Tested on', value: `${count(test.data.ImageStats?.Labeled)} pictures of the test dataset` }
                : { label: 'Tested on', value: 'all of them, each by a model that has not seen it' },
            ]}
          />
        </Container>
        <Container header={<Header variant="h2">Notes</Header>}>
          <FormField label="Description (optional)" description="Letters, digits, hyphens, dots and underscores, so that you know this model again.">
            <Input value={description} ariaLabel="Description" placeholder="after-new-light" onChange={({ detail }) => setDescription(detail.value)} />
          </FormField>
        </Container>
        <Container header={<Header variant="h2">Tags</Header>}>
          <AttributeEditor
            items={tags}
            addButtonText="Add new tag"
            removeButtonText="Remove"
            empty="No tags. Policies can refer to the tags of a model."
            onAddButtonClick={() => setTags([...tags, { key: '', value: '' }])}
            onRemoveButtonClick={({ detail }) => setTags(tags.filter((_, i) => i !== detail.itemIndex))}
            definition={[
              {
                label: 'Key',
                control: (item, index) => (
                  <Input value={item.key} ariaLabel="Key" onChange={({ detail }) => setTags(tags.map((tag, i) => (i === index ? { ...tag, key: detail.value } : tag)))} />
                ),
              },
              {
                label: 'Value',
                control: (item, index) => (
                  <Input value={item.value} ariaLabel="Value" onChange={({ detail }) => setTags(tags.map((tag, i) => (i === index ? { ...tag, value: detail.value } : tag)))} />
                ),
              },
            ]}
          />
        </Container>
        <ExpandableSection headerText="Customize encryption settings (advanced)">
          <FormField
            label="KMS key"
            description="The key is kept with the model for programs that ask for it. The server encrypts nothing with it: put its data folder on an encrypted disk."
          >
            <Input value={kmsKey} ariaLabel="KMS key" spellcheck={false} onChange={({ detail }) => setKmsKey(detail.value)} />
          </FormField>
        </ExpandableSection>
        <SpaceBetween direction="horizontal" size="xs">
          <ActionButton action="lookoutvision:CreateModel" variant="primary" disabled={missing.length > 0 || !train.data} onClick={() => setAsking(true)}>
            Train model
          </ActionButton>
          <Button variant="link" onClick={() => navigate(paths.project(project))}>
            Cancel
          </Button>
        </SpaceBetween>
      </SpaceBetween>
      {asking && (
        <Modal
          visible
          header="Do you want to train your model?"
          closeAriaLabel="Close"
          onDismiss={() => setAsking(false)}
          footer={
            <Box float="right">
              <SpaceBetween direction="horizontal" size="xs">
                <Button variant="link" onClick={() => setAsking(false)}>
                  Cancel
                </Button>
                <Button variant="primary" loading={busy} onClick={() => void submit()}>
                  Train model
                </Button>
              </SpaceBetween>
            </Box>
          }
        >
          A training takes a few minutes, and uses the processors of the server at low priority, so that models in service go on judging. You may leave the page meanwhile.
        </Modal>
      )}
    </ContentLayout>
  );
}
