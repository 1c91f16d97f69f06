// Imports what another labelling tool exported: its files are sent to a bucket, the server makes manifests and masks of them and tells
// what it could not use, and only then, when the person agrees, they become datasets.
import { useEffect, useRef, useState, type DragEvent } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ColumnLayout from '@cloudscape-design/components/column-layout';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import FormField from '@cloudscape-design/components/form-field';
import Input from '@cloudscape-design/components/input';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { clientToken, type Input as CallInput } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import { parseS3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import { bytes, count, plural } from '../app/format.ts';
import { useSession } from '../session/session.tsx';
import { fromDrop, fromInput, type FoundFile } from './collect.ts';
import { useConsoleBucket } from './console_bucket_dialog.tsx';
import { bucketTarget } from './dataset_target.ts';
import { exportedFiles, takeOver, type Conversion } from './other_tools.ts';
import { kExportRules, Upload, type UploadProgress } from './upload.ts';

type Rules = Pick<CallInput<'ConvertAnnotations'>, 'Format' | 'Unannotated' | 'Boxes'>;
type Choice<T> = { value: T; label: string };

/** The most files of one import; the server takes no more. */
const kMostFiles = 20_000;

const formats: Choice<string>[] = [
  { value: '', label: 'Find it out' },
  { value: 'COCO', label: 'COCO' },
  { value: 'LABEL_STUDIO', label: 'Label Studio (JSON)' },
  { value: 'LABELME', label: 'LabelMe' },
  { value: 'CVAT', label: 'CVAT for images' },
  { value: 'VOC', label: 'Pascal VOC' },
  { value: 'YOLO', label: 'YOLO' },
  { value: 'MVTEC', label: 'MVTec AD' },
  { value: 'MASKS', label: 'Pictures with masks' },
];
const unannotated: Choice<NonNullable<Rules['Unannotated']>>[] = [
  { value: 'UNLABELLED', label: 'are unlabelled' },
  { value: 'NORMAL', label: 'are normal' },
  { value: 'SKIP', label: 'are left out' },
];
const boxes: Choice<NonNullable<Rules['Boxes']>>[] = [
  { value: 'MASK', label: 'are drawn as filled rectangles' },
  { value: 'CLASS', label: 'only say that the picture is anomalous' },
];
const formatName = (value: string | undefined) => formats.find((one) => one.value === value)?.label ?? value;

interface Props {
  project: string;
  /** The dataset to which everything is added; undefined if the source decides between training and test. */
  into?: 'train' | 'test';
  /** The bucket of the dataset's pictures, with which new ones must share it; null if there is none yet. */
  bucket: string | null;
  onDone(): void;
}

type Stage = { kind: 'choosing' } | { kind: 'sending'; progress: UploadProgress } | { kind: 'converting' } | { kind: 'converted'; bucket: string; conversion: Conversion } | { kind: 'adding' };

export function ImportPanel({ project, into, bucket, onDone }: Props) {
  const { client, s3 } = useSession();
  const consoleBucket = useConsoleBucket();
  const [place, setPlace] = useState<'computer' | 'bucket'>('computer');
  const [files, setFiles] = useState<FoundFile[]>([]);
  const [uri, setUri] = useState('');
  const [format, setFormat] = useState('');
  const [rules, setRules] = useState<Rules>({ Unannotated: 'UNLABELLED', Boxes: 'MASK' });
  const [stage, setStage] = useState<Stage>({ kind: 'choosing' });
  const [problem, setProblem] = useState<string>();
  const [dragging, setDragging] = useState(false);
  // A second try sends only what the first one did not.
  const [token, setToken] = useState(clientToken);
  const running = useRef<Upload | null>(null);
  // Who closes the dialog in the middle of it wants no import: what runs is ended, and nothing more begins.
  const closed = useRef(new AbortController());
  useEffect(() => {
    const controller = (closed.current = new AbortController());
    return () => {
      controller.abort();
      running.current?.stop();
    };
  }, []);
  const folder = `projects/${project}/imports/${token.slice(0, 12)}/`;

  function show(found: FoundFile[]) {
    const shown = exportedFiles(found);
    setFiles(shown);
    setToken(clientToken());
    setProblem(shown.length === 0 ? 'No file was found in what you dropped.' : shown.length > kMostFiles ? `An import takes at most ${count(kMostFiles)} files. Import a part of the folder.` : undefined);
  }

  /** Sends the files, and returns where they are. */
  async function send() {
    const { signal } = closed.current;
    const name = bucket ?? (await consoleBucket());
    signal.throwIfAborted();
    const prefix = `${folder}source/`;
    const items = files.map(({ path, file }) => ({ path, file, label: null }));
    const target = { ...bucketTarget(s3, name, prefix), add: async () => {} };
    const upload = new Upload(items, prefix, target, (progress) => setStage({ kind: 'sending', progress }), kExportRules);
    running.current = upload;
    await upload.run();
    running.current = null;
    signal.throwIfAborted();
    const failure = upload.progress.failures[0];
    if (upload.progress.problem) throw new Error(upload.progress.problem);
    if (upload.progress.phase !== 'finished') throw new Error('You stopped the import. Nothing was added to a dataset.');
    if (failure) throw new Error(`${plural(upload.progress.failures.length, 'file was', 'files were')} not sent, such as ${failure.item.path}: ${failure.reason}`);
    return { bucket: name, key: prefix };
  }

  async function convert() {
    const { signal } = closed.current;
    setProblem(undefined);
    try {
      let source = place === 'bucket' ? parseS3Uri(uri) : null;
      if (place === 'bucket' && !source) throw new Error('Enter the folder as s3://bucket/folder/.');
      if (source && bucket && source.bucket !== bucket) throw new Error(`The pictures of this dataset are in the bucket ${bucket}, and all of them must share one bucket.`);
      source ??= await send();
      setStage({ kind: 'converting' });
      const input = {
        ProjectName: project,
        Bucket: source.bucket,
        Prefix: source.key,
        OutputPrefix: `${folder}labels/`,
        ...rules,
        ...(format ? { Format: format as NonNullable<Rules['Format']> } : {}),
      };
      const conversion = await client.call('ConvertAnnotations', input, { signal });
      setStage({ kind: 'converted', bucket: source.bucket, conversion });
    } catch (error) {
      setProblem(sentenceOf(error));
      setStage({ kind: 'choosing' });
    }
  }

  async function add({ bucket: from, conversion }: Extract<Stage, { kind: 'converted' }>) {
    const { signal } = closed.current;
    setProblem(undefined);
    setStage({ kind: 'adding' });
    try {
      await takeOver(client, s3, project, from, conversion, into, signal);
      signal.throwIfAborted();
      onDone();
    } catch (error) {
      setProblem(sentenceOf(error));
      setStage({ kind: 'converted', bucket: from, conversion });
    }
  }

  async function drop(event: DragEvent) {
    event.preventDefault();
    setDragging(false);
    try {
      show((await fromDrop(event.dataTransfer)).files);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  }

  const trouble = problem && (
    <Alert type="error" header="The import did not succeed">
      {problem}
    </Alert>
  );
  if (stage.kind === 'sending')
    return (
      <SpaceBetween size="s">
        <ProgressBar
          value={(100 * stage.progress.sent) / Math.max(1, stage.progress.total)}
          label="Sending the files"
          additionalInfo={`${count(stage.progress.sent)} of ${plural(stage.progress.total, 'file')}, ${bytes(stage.progress.bytesSent)} of ${bytes(stage.progress.bytesTotal)}`}
        />
        <Button onClick={() => running.current?.stop()}>Stop</Button>
      </SpaceBetween>
    );
  if (stage.kind === 'converting' || stage.kind === 'adding')
    return (
      <Box padding="l" textAlign="center">
        <Spinner size="large" />
        <Box variant="p">{stage.kind === 'adding' ? 'Adding the pictures to the dataset' : 'Reading the annotations and drawing masks. Many pictures take some minutes.'}</Box>
      </Box>
    );
  if (stage.kind === 'converted')
    return (
      <SpaceBetween size="m">
        {trouble}
        <Found conversion={stage.conversion} />
        <SpaceBetween direction="horizontal" size="xs">
          <ActionButton action={into ? 'lookoutvision:UpdateDatasetEntries' : 'lookoutvision:CreateDataset'} variant="primary" onClick={() => void add(stage)}>
            {into ? 'Add to the dataset' : stage.conversion.Test ? 'Create datasets' : 'Create dataset'}
          </ActionButton>
          <Button
            variant="link"
            onClick={() => {
              setStage({ kind: 'choosing' });
              setProblem(undefined);
            }}
          >
            Back
          </Button>
        </SpaceBetween>
      </SpaceBetween>
    );
  const isReady = place === 'bucket' ? uri.trim() !== '' : files.length > 0 && files.length <= kMostFiles;
  return (
    <SpaceBetween size="m">
      <SegmentedControl
        label="Where the export is"
        selectedId={place}
        options={[
          { id: 'computer', text: 'On this computer' },
          { id: 'bucket', text: 'In a bucket' },
        ]}
        onChange={({ detail }) => setPlace(detail.selectedId as typeof place)}
      />
      {place === 'bucket' ? (
        <FormField label="S3 URI" description="The folder that holds the annotations and their pictures.">
          <Input value={uri} placeholder="s3://bucket/folder/" ariaLabel="S3 URI" spellcheck={false} onChange={({ detail }) => setUri(detail.value)} />
        </FormField>
      ) : (
        <FolderDrop dragging={dragging} files={files} onDragging={setDragging} onDrop={(event) => void drop(event)} onChosen={show} />
      )}
      <ColumnLayout columns={3}>
        <FormField label="Format">
          <Select selectedOption={formats.find(({ value }) => value === format)!} options={formats} ariaLabel="Format" expandToViewport onChange={({ detail }) => setFormat(detail.selectedOption.value!)} />
        </FormField>
        <FormField label="Pictures without annotations">
          <Select
            selectedOption={unannotated.find(({ value }) => value === rules.Unannotated)!}
            options={unannotated}
            ariaLabel="Pictures without annotations"
            expandToViewport
            onChange={({ detail }) => setRules({ ...rules, Unannotated: detail.selectedOption.value as Rules['Unannotated'] })}
          />
        </FormField>
        <FormField label="Boxes">
          <Select
            selectedOption={boxes.find(({ value }) => value === rules.Boxes)!}
            options={boxes}
            ariaLabel="Boxes"
            expandToViewport
            onChange={({ detail }) => setRules({ ...rules, Boxes: detail.selectedOption.value as Rules['Boxes'] })}
          />
        </FormField>
      </ColumnLayout>
      {trouble}
      <ActionButton action="vedette:ConvertAnnotations" variant="primary" disabled={!isReady} onClick={() => void convert()}>
        Read the annotations
      </ActionButton>
    </SpaceBetween>
  );
}

interface DropProps {
  dragging: boolean;
  files: FoundFile[];
  onDragging(dragging: boolean): void;
  onDrop(event: DragEvent): void;
  onChosen(files: FoundFile[]): void;
}

function FolderDrop({ dragging, files, onDragging, onDrop, onChosen }: DropProps) {
  const input = useRef<HTMLInputElement>(null);
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  return (
    <div
      className={`drop-zone${dragging ? ' dragging' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        onDragging(true);
      }}
      onDragLeave={() => onDragging(false)}
      onDrop={onDrop}
    >
      <SpaceBetween size="s" alignItems="center">
        <Box variant="h3">{files.length ? `${plural(files.length, 'file')}, ${bytes(size)}` : 'Drop the folder that the other tool exported'}</Box>
        <Box color="text-body-secondary">It holds the annotations and the pictures: PNG and JPEG, up to 8 MiB each. Nothing changes in a dataset before you have seen what was found.</Box>
        <Button iconName="folder" onClick={() => input.current?.click()}>
          {files.length ? 'Choose another folder' : 'Choose a folder'}
        </Button>
      </SpaceBetween>
      <input ref={input} type="file" multiple hidden aria-label="Folder of the export" {...{ webkitdirectory: '' }} onChange={(e) => onChosen(fromInput(e.target.files!))} />
    </div>
  );
}

/** What the server made of the export, and what it could not use. */
function Found({ conversion }: { conversion: Conversion }) {
  const { Format, Train, Test, Labels = [], Problems = [], ProblemCount = 0, Notes = [] } = conversion;
  const line = (counts: Conversion['Train']) =>
    [
      `${count(counts?.NormalCount ?? 0)} normal`,
      `${plural(counts?.AnomalyCount ?? 0, 'anomaly', 'anomalies')} (${count(counts?.MaskCount ?? 0)} with masks)`,
      `${count(counts?.UnlabelledCount ?? 0)} unlabelled`,
    ].join(', ');
  return (
    <SpaceBetween size="s">
      <Box variant="h3">This was found</Box>
      <dl className="found">
        <dt>Format</dt>
        <dd>{formatName(Format)}</dd>
        <dt>{Test ? 'Training pictures' : 'Pictures'}</dt>
        <dd>{line(Train)}</dd>
        {Test && (
          <>
            <dt>Test pictures</dt>
            <dd>{line(Test)}</dd>
          </>
        )}
        {Labels.length > 0 && (
          <>
            <dt>Anomaly labels</dt>
            <dd>
              {Labels.map(({ Name, SourceName, HexColor }) => (
                <span key={Name} className="found-label">
                  <span className="label-swatch" style={{ background: HexColor }} />
                  {Name}
                  {SourceName !== Name && ` (from “${SourceName}”)`}
                </span>
              ))}
            </dd>
          </>
        )}
      </dl>
      {ProblemCount > 0 && (
        <Alert type="warning" header={`${plural(ProblemCount, 'entry', 'entries')} cannot be used`}>
          <ExpandableSection headerText="Which, and why" defaultExpanded={Problems.length <= 5}>
            <ul className="failures">
              {Problems.map((text, i) => (
                <li key={i}>{text}</li>
              ))}
            </ul>
            {ProblemCount > Problems.length && <Box>And {count(ProblemCount - Problems.length)} more.</Box>}
          </ExpandableSection>
        </Alert>
      )}
      {Notes.length > 0 && (
        <Alert type="info">
          <ul className="failures">
            {Notes.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </Alert>
      )}
    </SpaceBetween>
  );
}
