// Trial detections: a model judges many pictures at once, and people verify what it says.
import { useMemo, useRef, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import Link from '@cloudscape-design/components/link';
import Modal from '@cloudscape-design/components/modal';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Table from '@cloudscape-design/components/table';
import Tiles from '@cloudscape-design/components/tiles';
import { useHashLocation } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import type { TrialDetection } from '../api/generated.ts';
import { keys, useModels } from '../api/queries.ts';
import { parseS3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { FirstInput } from '../app/first_input.tsx';
import { count, plural, time } from '../app/format.ts';
import { href, paths } from '../app/paths.ts';
import { isUsable } from './model_status.tsx';
import { useSession } from '../session/session.tsx';
import { fromInput, type FoundFile } from '../upload/collect.ts';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';
import { groupByFolder, splitPictures } from '../upload/folders.ts';
import { sendPictures } from '../upload/send_pictures.ts';
import type { UploadProgress } from '../upload/upload.ts';
import { TrialStatus } from './trial_status.tsx';

const kMostPictures = 2000;

export function useTrials(project: string) {
  const { client } = useSession();
  return useQuery({
    queryKey: keys.trials(project),
    queryFn: async ({ signal }) => {
      const list = await client.all('ListTrialDetections', 'TrialDetections', { ProjectName: project, MaxResults: 100 }, { signal });
      return list.sort((a, b) => (b.CreationTimestamp ?? 0) - (a.CreationTimestamp ?? 0));
    },
    refetchInterval: ({ state }) => (state.data?.some(({ Status }) => Status === 'RUNNING') ? 1500 : false),
  });
}

function RunTrial({ project, onClose }: { project: string; onClose(): void }) {
  const { client, s3 } = useSession();
  const consoleBucket = useConsoleBucket();
  const queries = useQueryClient();
  const [, navigate] = useHashLocation();
  const models = useModels(project);
  const trials = useTrials(project);
  const options = (models.data ?? [])
    .filter(isUsable)
    .map(({ ModelVersion }) => ({ value: ModelVersion!, label: `Model ${ModelVersion}` }));
  const [name, setName] = useState('');
  const [model, setModel] = useState<string>();
  const [source, setSource] = useState('upload');
  const [uri, setUri] = useState('');
  const [files, setFiles] = useState<FoundFile[]>([]);
  const [progress, setProgress] = useState<UploadProgress>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  // A second try with the same pictures sends only what the first one did not, and starts no second task. Other pictures need another token.
  const token = useMemo(clientToken, [source, files, uri]);
  const filesInput = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);
  const chosen = model ?? options[0]?.value;

  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      if (!/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/.test(name)) throw new Error('A task name has letters, digits, hyphens and underscores, and begins with a letter or a digit.');
      if (trials.data?.some(({ TrialName }) => TrialName === name)) throw new Error(`There is a task ${name}. Choose another name.`);
      let images: { Bucket: string; Prefix?: string };
      // Another task of this name may have left its pictures in the folder of that name.
      if (source === 'upload') {
        const Prefix = `projects/${project}/trials/${name}-${token.slice(0, 8)}/`;
        const { Bucket } = await sendPictures(s3, await consoleBucket(), files, Prefix, setProgress);
        images = { Bucket, Prefix };
      } else {
        const place = parseS3Uri(uri);
        if (!place) throw new Error('Enter the folder as s3://bucket/folder/.');
        images = { Bucket: place.bucket, ...(place.key ? { Prefix: place.key } : {}) };
      }
      await client.call('StartTrialDetection', { ProjectName: project, TrialName: name, ModelVersion: chosen!, Images: images, ClientToken: token });
      await queries.invalidateQueries({ queryKey: keys.trials(project) });
      navigate(paths.trial(project, name));
    } catch (error) {
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  const show = (list: FileList | null) => list && setFiles(groupByFolder(splitPictures(fromInput(list)).pictures).flatMap((folder) => (folder.choice === 'skip' ? [] : folder.files)));
  const ready = name && chosen && (source === 'upload' ? files.length > 0 && files.length <= kMostPictures : uri);
  return (
    <Modal
      visible
      size="large"
      header="Run trial detection"
      closeAriaLabel="Close"
      onDismiss={() => !busy && onClose()}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" disabled={busy} onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={!ready} onClick={() => void submit()}>
              Run trial detection
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <FormField label="Task name" description="Letters, digits, hyphens and underscores.">
          <FirstInput value={name} ariaLabel="Task name" placeholder="night-shift" spellcheck={false} onChange={({ detail }) => setName(detail.value)} />
        </FormField>
        <FormField label="Model" description="It need not be in service.">
          <Select
            selectedOption={options.find(({ value }) => value === chosen) ?? null}
            options={options}
            empty="No model is trained yet"
            ariaLabel="Model"
            expandToViewport
            onChange={({ detail }) => setModel(detail.selectedOption.value)}
          />
        </FormField>
        <Tiles
          value={source}
          ariaLabel="Pictures"
          onChange={({ detail }) => setSource(detail.value)}
          items={[
            { value: 'upload', label: 'Upload from this computer', description: `Up to ${count(kMostPictures)} PNG or JPEG files.` },
            { value: 'bucket', label: 'From a bucket', description: 'All pictures below a folder of an S3 bucket.' },
          ]}
        />
        {source === 'bucket' ? (
          <FormField label="S3 URI">
            <Input value={uri} ariaLabel="S3 URI" placeholder="s3://bucket/folder/" spellcheck={false} onChange={({ detail }) => setUri(detail.value)} />
          </FormField>
        ) : (
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            <Button iconName="folder" onClick={() => folderInput.current?.click()}>
              Choose a folder
            </Button>
            <Button iconName="file" onClick={() => filesInput.current?.click()}>
              Choose pictures
            </Button>
            <Box color="text-body-secondary">{files.length ? plural(files.length, 'file') : 'None chosen yet'}</Box>
            <input ref={filesInput} type="file" multiple accept="image/png,image/jpeg" hidden aria-label="Pictures of the trial" onChange={(e) => show(e.target.files)} />
            <input ref={folderInput} type="file" multiple hidden aria-label="Folder of the trial" {...{ webkitdirectory: '' }} onChange={(e) => show(e.target.files)} />
          </SpaceBetween>
        )}
        {files.length > kMostPictures && source === 'upload' && <Alert type="warning">A task takes up to {count(kMostPictures)} pictures.</Alert>}
        {busy && progress && <ProgressBar value={(100 * progress.sent) / Math.max(1, progress.total)} label="Sending the pictures" />}
        {problem && <Alert type="error">{problem}</Alert>}
      </SpaceBetween>
    </Modal>
  );
}

export default function TrialsPage({ project }: { project: string }) {
  const { client } = useSession();
  const trials = useTrials(project);
  const models = useModels(project);
  const hasModel = !models.data || models.data.some(isUsable);
  const [running, setRunning] = useState(false);
  const [selected, setSelected] = useState<TrialDetection[]>([]);
  const [deleting, setDeleting] = useState<string>();
  const chosen = trials.data?.find(({ TrialName }) => TrialName === selected[0]?.TrialName);
  const run = (
    <ActionButton action="vedette:StartTrialDetection" variant="primary" disabled={!hasModel} disabledReason="Train a model first." onClick={() => setRunning(true)}>
      Run trial detection
    </ActionButton>
  );
  return (
    <>
      <Table
        variant="full-page"
        items={trials.data ?? []}
        trackBy="TrialName"
        loading={trials.isPending}
        loadingText="Reading the tasks"
        selectionType="single"
        selectedItems={chosen ? [chosen] : []}
        onSelectionChange={({ detail }) => setSelected(detail.selectedItems)}
        ariaLabels={{ selectionGroupLabel: 'Tasks', itemSelectionLabel: (_, item) => item.TrialName!, tableLabel: 'Trial detections' }}
        header={
          <Header
            variant="h1"
            counter={trials.data ? `(${count(trials.data.length)})` : ''}
            description="Have a model judge new pictures, verify what it says, and teach it with them."
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <ActionButton
                  action="vedette:StartTrialDetection"
                  disabled={!chosen || chosen.Status === 'RUNNING'}
                  onClick={() => setDeleting(chosen?.TrialName)}
                >
                  Delete
                </ActionButton>
                {run}
              </SpaceBetween>
            }
          >
            Trial detections
          </Header>
        }
        columnDefinitions={[
          { id: 'name', header: 'Task', isRowHeader: true, cell: (item) => <Link href={href(paths.trial(project, item.TrialName!))}>{item.TrialName}</Link> },
          { id: 'status', header: 'Status', cell: (item) => <TrialStatus trial={item} /> },
          { id: 'model', header: 'Model', cell: (item) => <Link href={href(paths.model(project, item.ModelVersion!))}>{`Model ${item.ModelVersion}`}</Link> },
          { id: 'images', header: 'Pictures', cell: (item) => count(item.ImageCount) },
          { id: 'anomalies', header: 'Anomalies', cell: (item) => count(item.AnomalyCount) },
          { id: 'verified', header: 'Verified', cell: (item) => count((item.CorrectCount ?? 0) + (item.IncorrectCount ?? 0)) },
          { id: 'date', header: 'Made', cell: (item) => time(item.CreationTimestamp) },
        ]}
        empty={
          trials.error ? (
            <Alert type="error" action={<Button onClick={() => void trials.refetch()}>Try again</Button>}>
              {sentenceOf(trials.error)}
            </Alert>
          ) : (
            <Box textAlign="center" padding="l">
              <Box variant="strong">No trial detection yet</Box>
              <Box variant="p" color="text-body-secondary">
                A trial shows what a model says about pictures that it has never seen, before it judges on the line.{!hasModel && ' Train a model first.'}
              </Box>
              {hasModel ? run : <Button href={href(paths.models(project))}>Open the models</Button>}
            </Box>
          )
        }
      />
      {running && <RunTrial project={project} onClose={() => setRunning(false)} />}
      {deleting && (
        <ConfirmDelete
          title={`Delete ${deleting}?`}
          button="Delete task"
          onClose={() => setDeleting(undefined)}
          onDelete={async () => {
            await client.call('DeleteTrialDetection', { ProjectName: project, TrialName: deleting });
            await trials.refetch();
          }}
        >
          What the model said and what was verified is deleted. The pictures in the bucket stay.
        </ConfirmDelete>
      )}
    </>
  );
}
