// Packaging jobs: they write the archive of a model, with which devices judge pictures without this server.
import { useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import Container from '@cloudscape-design/components/container';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import Link from '@cloudscape-design/components/link';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import Modal from '@cloudscape-design/components/modal';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import type { ModelPackagingJobMetadata } from '../api/generated.ts';
import { useModels } from '../api/queries.ts';
import { parseS3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, time } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { useSession } from '../session/session.tsx';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';
import { isUsable } from './model_status.tsx';

const jobsKey = (project: string) => ['project', project, 'packages'] as const;

function JobStatus({ job }: { job: ModelPackagingJobMetadata }) {
  const types = { CREATED: 'pending', RUNNING: 'in-progress', SUCCEEDED: 'success', FAILED: 'error' } as const;
  const texts = { CREATED: 'Waiting', RUNNING: 'Running', SUCCEEDED: 'Success', FAILED: 'Failed' };
  const status = job.Status ?? 'CREATED';
  return <StatusIndicator type={types[status]}>{texts[status]}</StatusIndicator>;
}

const targets = [
  { value: 'X86_64', label: 'Linux on x86-64' },
  { value: 'ARM64', label: 'Linux on 64-bit Arm' },
];

function CreateJob({ project, onClose }: { project: string; onClose(): void }) {
  const { client } = useSession();
  const consoleBucket = useConsoleBucket();
  const queries = useQueryClient();
  const models = useModels(project);
  const usable = (models.data ?? []).filter(isUsable);
  const options = usable.map(({ ModelVersion }) => ({ value: ModelVersion!, label: `Model ${ModelVersion}` }));
  const [model, setModel] = useState<string>();
  const [target, setTarget] = useState('X86_64');
  const [component, setComponent] = useState(`${project}-model`);
  const [componentVersion, setComponentVersion] = useState('1.0.0');
  const [output, setOutput] = useState('');
  const [job, setJob] = useState('');
  const [description, setDescription] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [token] = useState(clientToken());
  const chosen = model ?? options[0]?.value;

  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      let place = output ? parseS3Uri(output) : null;
      if (output && !place) throw new Error('Enter the location as s3://bucket/folder/.');
      if (!place) {
        const bucket = await consoleBucket();
        place = { bucket, key: `projects/${project}/packages/` };
      }
      await client.call('StartModelPackagingJob', {
        ProjectName: project,
        ModelVersion: chosen!,
        ClientToken: token,
        ...(job ? { JobName: job } : {}),
        ...(description ? { Description: description } : {}),
        Configuration: {
          Greengrass: {
            ComponentName: component,
            ComponentVersion: componentVersion,
            TargetPlatform: { Os: 'LINUX', Arch: target as 'X86_64' | 'ARM64' },
            S3OutputLocation: { Bucket: place.bucket, ...(place.key ? { Prefix: place.key } : {}) },
          },
        },
      });
      await queries.invalidateQueries({ queryKey: jobsKey(project) });
      onClose();
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  const text = (label: string, value: string, set: (value: string) => void, extra: { description?: string; placeholder?: string } = {}) => (
    <FormField label={label} description={extra.description}>
      <Input value={value} ariaLabel={label} placeholder={extra.placeholder} spellcheck={false} onChange={({ detail }) => set(detail.value)} />
    </FormField>
  );
  return (
    <Modal
      visible
      size="large"
      header="Create model packaging job"
      closeAriaLabel="Close"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!chosen || !component || !componentVersion} onClick={() => void submit()}>
              Create model packaging job
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <ColumnLayout columns={2}>
          <FormField label="Model">
            <Select
              selectedOption={options.find(({ value }) => value === chosen) ?? null}
              options={options}
              empty="No model is trained yet"
              ariaLabel="Model"
              expandToViewport
              onChange={({ detail }) => setModel(detail.selectedOption.value)}
            />
          </FormField>
          <FormField label="Target platform" description="The same archive serves all; this is kept with the job.">
            <Select
              selectedOption={targets.find(({ value }) => value === target)!}
              options={targets}
              ariaLabel="Target platform"
              expandToViewport
              onChange={({ detail }) => setTarget(detail.selectedOption.value!)}
            />
          </FormField>
          {text('Component name', component, setComponent)}
          {text('Component version', componentVersion, setComponentVersion, { description: 'A name and a version can be used together once.' })}
          {text('Job name (optional)', job, setJob)}
          {text('Job description (optional)', description, setDescription)}
        </ColumnLayout>
        {text('S3 location (optional)', output, setOutput, { placeholder: 's3://bucket/folder/', description: 'Where the archive is written; the console bucket if you leave it empty.' })}
        {problem && <Alert type="error">{problem}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}

function JobDetails({ project, name }: { project: string; name: string }) {
  const { client, s3 } = useSession();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { data: job } = useQuery({
    queryKey: [...jobsKey(project), name],
    queryFn: async ({ signal }) => (await client.call('DescribeModelPackagingJob', { ProjectName: project, JobName: name }, { signal })).ModelPackagingDescription,
  });
  if (!job) return null;
  const configuration = job.ModelPackagingConfiguration?.Greengrass;
  const location = configuration?.S3OutputLocation;
  const prefix = location?.Prefix ?? '';
  /** Finds the archive below the output location and hands it to the browser. */
  async function download() {
    setBusy(true);
    setProblem(undefined);
    try {
      const wanted = [configuration!.ComponentName, configuration!.ComponentVersion].filter(Boolean) as string[];
      const objects = (await s3.listAll(location!.Bucket, prefix, 1000)).filter(({ key }) => key.endsWith('.zip') && wanted.every((part) => key.includes(part)));
      if (!objects[0]) throw new Error('There is no archive below the output location. It may have been moved.');
      const blob = await (await s3.get({ bucket: location!.Bucket, key: objects[0].key })).blob();
      const link = document.createElement('a');
      link.href = URL.createObjectURL(blob);
      link.download = objects[0].key.split('/').pop()!;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setBusy(false);
  }
  return (
    <Container
      header={
        <Header
          variant="h2"
          actions={
            <Button iconName="download" loading={busy} disabled={job.Status !== 'SUCCEEDED'} onClick={() => void download()}>
              Download the archive
            </Button>
          }
        >
          {job.JobName}
        </Header>
      }
    >
      <SpaceBetween size="m">
        {job.Status === 'FAILED' && <Alert type="error">{job.StatusMessage}</Alert>}
        {problem && <Alert type="error">{problem}</Alert>}
        <KeyValuePairs
          columns={3}
          items={[
            { label: 'Status', value: <JobStatus job={job} /> },
            { label: 'Model', value: `Model ${job.ModelVersion}` },
            { label: 'Component', value: `${configuration?.ComponentName} ${configuration?.ComponentVersion ?? ''}` },
            { label: 'Output', value: location ? `s3://${location.Bucket}/${prefix}` : '–' },
            { label: 'Made', value: time(job.CreationTimestamp) },
            { label: 'Message', value: job.StatusMessage ?? '–' },
          ]}
        />
        <Box color="text-body-secondary">
          A station fetches it when you move it to this version on the page <Link href={href(paths.stations())}>Stations</Link>. Without a station, the archive and the program{' '}
          <code>vedette</code> are enough: <code>vedette detect model.zip picture.jpg</code>.
        </Box>
      </SpaceBetween>
    </Container>
  );
}

export default function PackagesPage({ project }: { project: string }) {
  const { client } = useSession();
  const [creating, setCreating] = useState(false);
  const models = useModels(project);
  const hasModel = !models.data || models.data.some(isUsable);
  const [selected, setSelected] = useState<string>();
  const jobs = useQuery({
    queryKey: jobsKey(project),
    queryFn: async ({ signal }) => {
      const list = await client.all('ListModelPackagingJobs', 'ModelPackagingJobs', { ProjectName: project, MaxResults: 100 }, { signal });
      return list.sort((a, b) => (b.CreationTimestamp ?? 0) - (a.CreationTimestamp ?? 0));
    },
    refetchInterval: ({ state }) => (state.data?.some(({ Status }) => Status === 'CREATED' || Status === 'RUNNING') ? 1500 : false),
  });
  const create = (
    <ActionButton action="lookoutvision:StartModelPackagingJob" variant="primary" disabled={!hasModel} disabledReason="Train a model first." onClick={() => setCreating(true)}>
      Create model packaging job
    </ActionButton>
  );
  const chosen = jobs.data?.find(({ JobName }) => JobName === selected);
  return (
    <SpaceBetween size="l">
      <Table
        items={jobs.data ?? []}
        loading={jobs.isPending}
        loadingText="Reading the jobs"
        trackBy="JobName"
        selectionType="single"
        selectedItems={chosen ? [chosen] : []}
        onSelectionChange={({ detail }) => setSelected(detail.selectedItems[0]?.JobName)}
        ariaLabels={{ selectionGroupLabel: 'Jobs', itemSelectionLabel: (_, item) => item.JobName!, tableLabel: 'Model packaging jobs' }}
        header={
          <Header variant="h1" counter={jobs.data ? `(${count(jobs.data.length)})` : ''} description="Archives of models, for devices that judge pictures without this server." actions={create}>
            Model packaging jobs
          </Header>
        }
        columnDefinitions={[
          { id: 'name', header: 'Job', cell: (item) => item.JobName, isRowHeader: true },
          { id: 'model', header: 'Model', cell: (item) => `Model ${item.ModelVersion}` },
          { id: 'status', header: 'Status', cell: (item) => <JobStatus job={item} /> },
          { id: 'made', header: 'Made', cell: (item) => time(item.CreationTimestamp) },
        ]}
        empty={
          jobs.error ? (
            <Alert type="error" action={<Button onClick={() => void jobs.refetch()}>Try again</Button>}>
              {sentenceOf(jobs.error)}
            </Alert>
          ) : (
            <Box textAlign="center" padding="l">
              <Box variant="strong">No packaging job yet</Box>
              <Box variant="p" color="text-body-secondary">
                A job writes a trained model as one archive, which you can take to any machine.{!hasModel && ' Train a model first.'}
              </Box>
              {hasModel ? create : <Button href={href(paths.models(project))}>Open the models</Button>}
            </Box>
          )
        }
      />
      {chosen && <JobDetails key={`${chosen.JobName}-${chosen.Status}`} project={project} name={chosen.JobName!} />}
      {creating && <CreateJob project={project} onClose={() => setCreating(false)} />}
    </SpaceBetween>
  );
}
