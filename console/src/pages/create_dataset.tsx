import { useRef, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Button from '@cloudscape-design/components/button';
import Checkbox from '@cloudscape-design/components/checkbox';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import FormField from '@cloudscape-design/components/form-field';
import Header from '@cloudscape-design/components/header';
import Input from '@cloudscape-design/components/input';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Tiles from '@cloudscape-design/components/tiles';
import { useHashLocation } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { keys, useDataset } from '../api/queries.ts';
import { parseS3Uri, s3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import { useMessages } from '../app/messages.tsx';
import { paths } from '../app/paths.ts';
import { kEnough } from '../gallery/readiness.ts';
import { anomalyLine, normalLine, unlabelledLine } from '../labels/lines.ts';
import { useSession, type Session } from '../session/session.tsx';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';
import { ImportPanel } from '../upload/import_panel.tsx';
import { UploadPanel } from '../upload/upload_panel.tsx';
import { useUploads } from '../upload/uploads.tsx';

type Kind = 'upload' | 'folder' | 'manifest' | 'tool';
interface Source {
  kind: Kind;
  uri: string;
  labelByFolder: boolean;
}
const fresh: Source = { kind: 'upload', uri: '', labelByFolder: true };

/** Writes a manifest of the pictures below a folder of a bucket, and returns where it is. */
async function crawl({ s3 }: Session, consoleBucket: () => Promise<string>, project: string, type: string, source: Source) {
  const location = parseS3Uri(source.uri);
  if (!location) throw new Error('Enter the folder as s3://bucket/folder/.');
  const folder = location.key === '' || location.key.endsWith('/') ? location.key : `${location.key}/`;
  const objects = (await s3.listAll(location.bucket, folder)).filter(({ key }) => /\.(png|jpe?g)$/i.test(key));
  if (objects.length === 0) throw new Error(`There are no PNG or JPEG files below ${s3Uri({ bucket: location.bucket, key: folder })}.`);
  const lines = objects.map(({ key }) => {
    const sourceRef = s3Uri({ bucket: location.bucket, key });
    const child = key.slice(folder.length).split('/')[0];
    if (source.labelByFolder && child === 'normal') return normalLine(sourceRef);
    if (source.labelByFolder && child === 'anomaly') return anomalyLine(sourceRef);
    return unlabelledLine(sourceRef);
  });
  const bucket = await consoleBucket();
  const manifest = { bucket, key: `datasets/${project}/${type}/manifests/output/output.manifest` };
  await s3.put(manifest, `${lines.join('\n')}\n`, 'application/x-ndjson');
  return manifest;
}

async function create(session: Session, consoleBucket: () => Promise<string>, project: string, type: 'train' | 'test', source: Source) {
  const input = { ProjectName: project, DatasetType: type, ClientToken: clientToken() };
  if (source.kind === 'upload') return session.client.call('CreateDataset', input);
  let manifest = parseS3Uri(source.uri);
  if (source.kind === 'folder') manifest = await crawl(session, consoleBucket, project, type, source);
  if (!manifest?.key) throw new Error('Enter the place of the manifest as s3://bucket/path/file.manifest.');
  const S3Object = { Bucket: manifest.bucket, Key: manifest.key };
  return session.client.call('CreateDataset', { ...input, DatasetSource: { GroundTruthManifest: { S3Object } } });
}

interface SourceProps {
  source: Source;
  onChange(source: Source): void;
  name: string;
  /** Whether the source may be what another tool exported, which makes training and test datasets at once. */
  offersTools: boolean;
}

function SourceForm({ source, onChange, name, offersTools }: SourceProps) {
  return (
    <SpaceBetween size="m">
      <Tiles
        value={source.kind}
        ariaLabel={`Source of the ${name}`}
        onChange={({ detail }) => onChange({ ...source, kind: detail.value as Kind })}
        items={[
          { value: 'upload', label: 'Upload from this computer', description: 'Drop folders or files; folder names may label the pictures.' },
          { value: 'folder', label: 'Import from a bucket', description: 'All pictures below a folder of an S3 bucket.' },
          { value: 'manifest', label: 'Import a manifest', description: 'Pictures labelled by SageMaker Ground Truth, or exported from Lookout for Vision.' },
          ...(offersTools ? [{ value: 'tool', label: 'Import from another tool', description: 'What COCO, CVAT, Label Studio, LabelMe, Pascal VOC, YOLO or MVTec AD say of pictures, or masks beside them.' }] : []),
        ]}
      />
      {source.kind === 'folder' && (
        <>
          <FormField label="S3 URI" description="The folder that holds the pictures.">
            <Input value={source.uri} placeholder="s3://bucket/folder/" ariaLabel="S3 URI" spellcheck={false} onChange={({ detail }) => onChange({ ...source, uri: detail.value })} />
          </FormField>
          <Checkbox
            checked={source.labelByFolder}
            description="Pictures below the folder “normal” become normal, and pictures below the folder “anomaly” become anomalous."
            onChange={({ detail }) => onChange({ ...source, labelByFolder: detail.checked })}
          >
            Automatically attach labels to images based on the folder
          </Checkbox>
        </>
      )}
      {source.kind === 'manifest' && (
        <FormField label=".manifest file location" description="All pictures and masks that it names must be in one bucket.">
          <Input
            value={source.uri}
            placeholder="s3://bucket/path/output.manifest"
            ariaLabel=".manifest file location"
            spellcheck={false}
            onChange={({ detail }) => onChange({ ...source, uri: detail.value })}
          />
        </FormField>
      )}
    </SpaceBetween>
  );
}

export default function CreateDatasetPage({ project }: { project: string }) {
  const session = useSession();
  const consoleBucket = useConsoleBucket();
  const queries = useQueryClient();
  const messages = useMessages();
  const [, navigate] = useHashLocation();
  const existingTrain = useDataset(project, 'train');
  const { running } = useUploads();
  // The first pictures make the dataset while the others are still on their way, and this page stays as it is until they have come.
  const sends = useRef(false);
  sends.current ||= running?.place.project === project && running.place.type === 'train' && running.progress.phase !== 'finished';
  const hasTrain = !!existingTrain.data && !sends.current;
  const [shape, setShape] = useState<'single' | 'separate'>('single');
  const [train, setTrain] = useState<Source>(fresh);
  const [test, setTest] = useState<Source>(fresh);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  const open = () => navigate(paths.dataset(project));
  async function submit() {
    setBusy(true);
    setProblem(undefined);
    try {
      if (!existingTrain.data) await create(session, consoleBucket, project, 'train', train);
      if (shape === 'separate') await create(session, consoleBucket, project, 'test', test);
      await queries.invalidateQueries({ queryKey: keys.project(project) });
      if (train.kind !== 'upload') messages.succeed('The import has begun. The dataset shows how far it is.');
      open();
    } catch (error) {
      await queries.invalidateQueries({ queryKey: keys.project(project) });
      setProblem(sentenceOf(error));
      setBusy(false);
    }
  }

  async function imported() {
    await queries.invalidateQueries({ queryKey: keys.project(project) });
    open();
  }
  const fromTool = shape === 'single' && train.kind === 'tool';
  const direct = shape === 'single' && train.kind === 'upload' && session.may('lookoutvision:CreateDataset') && session.may('s3:PutObject');
  return (
    <ContentLayout
      header={
        <Header variant="h1" description={`The pictures that models of ${project} learn from. ${kEnough}`}>
          Create dataset
        </Header>
      }
    >
      <SpaceBetween size="l">
        {hasTrain && (
          <Alert type="info" action={<Button onClick={open}>Open the dataset</Button>}>
            This project has a training dataset. You can add a test dataset beside it here; pictures are added on the page of the dataset.
          </Alert>
        )}
        <Container header={<Header variant="h2">Dataset configuration</Header>}>
          <Tiles
            value={shape}
            ariaLabel="Dataset configuration"
            onChange={({ detail }) => {
              setShape(detail.value as typeof shape);
              // An export of another tool says by itself which pictures test.
              if (detail.value === 'separate' && train.kind === 'tool') setTrain(fresh);
            }}
            items={[
              {
                value: 'single',
                label: 'Create a single dataset',
                description: 'Best for most. Every picture teaches, and every picture is tested by a model that has not seen it.',
                disabled: hasTrain,
              },
              {
                value: 'separate',
                label: 'Create a training dataset and a test dataset',
                description: 'You decide which pictures test. At least ten normal and ten anomalous ones are needed for that.',
              },
            ]}
          />
        </Container>
        {!hasTrain && (
          <Container header={<Header variant="h2">{shape === 'single' ? 'Pictures' : 'Training dataset'}</Header>}>
            <SpaceBetween size="l">
              <SourceForm source={train} onChange={setTrain} name="training dataset" offersTools={shape === 'single'} />
              {direct && <UploadPanel project={project} type="train" bucket={null} onDone={open} />}
              {fromTool && <ImportPanel project={project} bucket={null} onDone={() => void imported()} />}
            </SpaceBetween>
          </Container>
        )}
        {shape === 'separate' && (
          <Container header={<Header variant="h2">Test dataset</Header>}>
            <SourceForm source={test} onChange={setTest} name="test dataset" offersTools={false} />
          </Container>
        )}
        {problem && (
          <Alert type="error" header="The dataset was not created">
            {problem}
          </Alert>
        )}
        {!direct && !fromTool && (
          <SpaceBetween direction="horizontal" size="xs">
            <ActionButton
              action="lookoutvision:CreateDataset"
              variant="primary"
              loading={busy}
              disabled={shape === 'single' && hasTrain}
              onClick={() => void submit()}
            >
              Create dataset
            </ActionButton>
            <Button variant="link" onClick={() => navigate(paths.project(project))}>
              Cancel
            </Button>
          </SpaceBetween>
        )}
      </SpaceBetween>
    </ContentLayout>
  );
}
