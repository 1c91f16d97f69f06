// Where pictures are dropped: shows the folders and what their names say, and then how the upload goes.
import { useEffect, useRef, useState, type DragEvent } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ExpandableSection from '@cloudscape-design/components/expandable-section';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import { bytes, count, plural } from '../app/format.ts';
import { fromDrop, fromHandles, fromInput, type FoundFile } from './collect.ts';
import { useConsoleBucket } from './console_bucket_dialog.tsx';
import { groupByFolder, leftOut, splitPictures, type Folder, type FolderChoice } from './folders.ts';
import type { UploadPlace } from './dataset_target.ts';
import { useUploads, type RunningUpload, type UnfinishedUpload } from './uploads.tsx';

const choices: { value: FolderChoice; label: string }[] = [
  { value: 'normal', label: 'Normal' },
  { value: 'anomaly', label: 'Anomaly' },
  { value: 'unlabelled', label: 'Without a label' },
  { value: 'skip', label: 'Leave out' },
];

interface Props {
  project: string;
  type: 'train' | 'test';
  /** The bucket of the dataset's pictures, with which new ones must share it; null if the dataset has none yet. */
  bucket: string | null;
  /** Called when an upload that this panel showed has put pictures into the dataset, even if it could not send others. */
  onDone?(): void;
}

/** Finds or makes the bucket for the pictures. */
function usePlace({ project, type, bucket }: Props) {
  const consoleBucket = useConsoleBucket();
  return async (): Promise<UploadPlace> => {
    const name = bucket ?? (await consoleBucket());
    return { project, type, bucket: name, prefix: `projects/${project}/${type}/` };
  };
}

export function UploadPanel(props: Props) {
  const { project, type, onDone } = props;
  const uploads = useUploads();
  const findPlace = usePlace(props);
  const [folders, setFolders] = useState<Folder[]>([]);
  const [handles, setHandles] = useState<FileSystemHandle[]>([]);
  const [reading, setReading] = useState(false);
  const [dragging, setDragging] = useState(false);
  const [note, setNote] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [unfinished, setUnfinished] = useState<UnfinishedUpload>();
  const filesInput = useRef<HTMLInputElement>(null);
  const folderInput = useRef<HTMLInputElement>(null);

  const running = uploads.running && uploads.running.place.project === project && uploads.running.place.type === type ? uploads.running : null;
  useEffect(() => {
    void uploads.unfinished(project, type).then(setUnfinished);
  }, [uploads, project, type]);
  const finished = running?.progress.phase === 'finished' && running.progress.added > 0;
  // An upload that had ended before the panel was opened is no news.
  const wasFinished = useRef(finished);
  useEffect(() => {
    if (finished && !wasFinished.current) onDone?.();
    wasFinished.current = finished;
  }, [finished, onDone]);

  function show(files: FoundFile[], from: FileSystemHandle[] = []) {
    const { pictures, others } = splitPictures(files);
    const groups = groupByFolder(pictures);
    for (const folder of groups) folder.choice = (unfinished?.choices[folder.path] as FolderChoice | undefined) ?? folder.choice;
    setFolders(groups);
    setHandles(from);
    const missing = leftOut(others);
    setNote(groups.length ? missing : undefined);
    setProblem(groups.length ? undefined : (missing ?? 'No file was found in what you dropped.'));
  }

  async function drop(event: DragEvent) {
    event.preventDefault();
    setDragging(false);
    setReading(true);
    try {
      const { files, handles: from } = await fromDrop(event.dataTransfer);
      show(files, from);
    } catch (error) {
      setProblem(sentenceOf(error));
    } finally {
      setReading(false);
    }
  }

  async function begin(chosen: Folder[], from: FileSystemHandle[]) {
    try {
      const place = await findPlace();
      const items = chosen
        .filter((folder) => folder.choice !== 'skip')
        .flatMap((folder) => folder.files.map(({ path, file }) => ({ path, file, label: folder.choice === 'normal' || folder.choice === 'anomaly' ? folder.choice : null })));
      uploads.start(place, items, { choices: Object.fromEntries(chosen.map((folder) => [folder.path, folder.choice])), handles: from });
      setFolders([]);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  }

  async function goOn(record: UnfinishedUpload) {
    const files = await fromHandles(record.handles).catch(() => null);
    if (!files?.length) return setProblem('The browser does not give the folder back. Drop it again; what is already sent is left out.');
    const groups = groupByFolder(splitPictures(files).pictures);
    for (const folder of groups) folder.choice = (record.choices[folder.path] as FolderChoice | undefined) ?? folder.choice;
    await begin(groups, record.handles);
  }

  if (running && running.progress.phase !== 'finished') return <UploadStatus upload={running} />;
  const chosenFiles = folders.filter((folder) => folder.choice !== 'skip').reduce((sum, folder) => sum + folder.files.length, 0);
  return (
    <SpaceBetween size="m">
      {running && running.progress.failures.length > 0 && <UploadStatus upload={running} />}
      {unfinished && !running && folders.length === 0 && (
        <Alert
          type="warning"
          header="An upload was interrupted"
          action={
            <SpaceBetween direction="horizontal" size="xs">
              {unfinished.handles.length > 0 && <Button onClick={() => void goOn(unfinished)}>Go on</Button>}
              <Button
                variant="link"
                onClick={() => {
                  void uploads.forget(project, type);
                  setUnfinished(undefined);
                }}
              >
                Forget it
              </Button>
            </SpaceBetween>
          }
        >
          It was to send {plural(unfinished.total, 'picture')}. {unfinished.handles.length > 0 ? 'Go on, or drop' : 'Drop'} the same folder again: what is already sent is not sent twice.
        </Alert>
      )}
      {problem && <Alert type="error">{problem}</Alert>}
      {folders.length === 0 ? (
        <div
          className={`drop-zone${dragging ? ' dragging' : ''}`}
          onDragOver={(event) => {
            event.preventDefault();
            setDragging(true);
          }}
          onDragLeave={() => setDragging(false)}
          onDrop={(event) => void drop(event)}
        >
          {reading ? (
            <Spinner size="large" />
          ) : (
            <SpaceBetween size="s" alignItems="center">
              <Box variant="h3">Drop pictures or whole folders here</Box>
              <Box color="text-body-secondary">
                PNG and JPEG, up to 8 MiB each. Folders named “good” or “normal” and “bad” or “anomaly” label their pictures; you can change that before anything is sent.
              </Box>
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="folder" onClick={() => folderInput.current?.click()}>
                  Choose a folder
                </Button>
                <Button iconName="file" onClick={() => filesInput.current?.click()}>
                  Choose pictures
                </Button>
              </SpaceBetween>
            </SpaceBetween>
          )}
          <input ref={filesInput} type="file" multiple accept="image/png,image/jpeg" hidden aria-label="Pictures" onChange={(e) => show(fromInput(e.target.files!))} />
          <input ref={folderInput} type="file" multiple hidden aria-label="Folder" {...{ webkitdirectory: '' }} onChange={(e) => show(fromInput(e.target.files!))} />
        </div>
      ) : (
        <SpaceBetween size="s">
          <Table
            variant="borderless"
            items={folders}
            trackBy="path"
            columnDefinitions={[
              { id: 'path', header: 'Folder', cell: (folder) => folder.path || 'without a folder', isRowHeader: true },
              { id: 'files', header: 'Pictures', cell: (folder) => count(folder.files.length) },
              { id: 'size', header: 'Size', cell: (folder) => bytes(folder.files.reduce((sum, { file }) => sum + file.size, 0)) },
              {
                id: 'choice',
                header: 'Label',
                cell: (folder) => (
                  <Select
                    selectedOption={choices.find((choice) => choice.value === folder.choice)!}
                    options={choices}
                    ariaLabel={`Label of ${folder.path || 'the files'}`}
                    expandToViewport
                    onChange={({ detail }) =>
                      setFolders((list) => list.map((other) => (other === folder ? { ...folder, choice: detail.selectedOption.value as FolderChoice } : other)))
                    }
                  />
                ),
              },
            ]}
          />
          {note && <Box color="text-body-secondary">{note}</Box>}
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="primary" disabled={chosenFiles === 0} onClick={() => void begin(folders, handles)}>
              Upload {plural(chosenFiles, 'picture')}
            </Button>
            <Button variant="link" onClick={() => setFolders([])}>
              Choose others
            </Button>
          </SpaceBetween>
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

/** The upload to a dataset that is under way, or what it could not send. Nothing otherwise. */
export function UploadOf({ project, type }: Pick<Props, 'project' | 'type'>) {
  const { running } = useUploads();
  if (!running || running.place.project !== project || running.place.type !== type) return null;
  if (running.progress.phase === 'finished' && running.progress.failures.length === 0) return null;
  return <UploadStatus upload={running} />;
}

/** How an upload goes, with what can be done about it. */
export function UploadStatus({ upload }: { upload: RunningUpload }) {
  const { progress } = upload;
  const done = progress.total ? (100 * (progress.sent + progress.failures.length)) / progress.total : 100;
  const text: Record<typeof progress.phase, string> = {
    starting: 'Looking what the bucket holds already',
    sending: `${count(progress.sent)} of ${plural(progress.total, 'picture')}, ${bytes(progress.bytesSent)} of ${bytes(progress.bytesTotal)}`,
    paused: `Paused after ${count(progress.sent)} of ${plural(progress.total, 'picture')}`,
    adding: `Adding ${plural(progress.sent - progress.added, 'picture')} to the dataset`,
    finished: `${plural(progress.added, 'picture')} are in the dataset${progress.alreadyThere ? `; the bucket had ${count(progress.alreadyThere)} of them already` : ''}`,
    stopped: progress.problem ?? `Stopped after ${count(progress.sent)} of ${plural(progress.total, 'picture')}`,
  };
  const stopped = progress.phase === 'stopped';
  return (
    <SpaceBetween size="s">
      <ProgressBar
        value={done}
        status={progress.phase === 'finished' ? 'success' : stopped ? 'error' : 'in-progress'}
        label={`Upload to ${upload.place.project}`}
        additionalInfo={progress.phase === 'finished' || stopped ? undefined : text[progress.phase]}
        resultText={text[progress.phase]}
      />
      {!stopped && progress.phase !== 'finished' && progress.phase !== 'adding' && (
        <SpaceBetween direction="horizontal" size="xs">
          {progress.phase === 'paused' ? <Button onClick={upload.resume}>Go on</Button> : <Button onClick={upload.pause}>Pause</Button>}
          <Button onClick={upload.stop}>Stop</Button>
        </SpaceBetween>
      )}
      {stopped && (
        <SpaceBetween direction="horizontal" size="xs">
          <Button onClick={upload.dismiss}>Choose the pictures again</Button>
        </SpaceBetween>
      )}
      {progress.failures.length > 0 && (
        <Alert
          type="warning"
          header={`${plural(progress.failures.length, 'file was', 'files were')} not sent`}
          dismissible={progress.phase === 'finished'}
          dismissAriaLabel="Dismiss"
          onDismiss={upload.dismiss}
          action={(progress.phase === 'finished' || stopped) && <Button onClick={upload.retryFailed}>Try these again</Button>}
        >
          <ExpandableSection headerText="Which, and why">
            <ul className="failures">
              {progress.failures.slice(0, 200).map(({ item, reason }) => (
                <li key={item.path}>
                  <code>{item.path}</code>: {reason}
                </li>
              ))}
            </ul>
            {progress.failures.length > 200 && <Box>And {count(progress.failures.length - 200)} more.</Box>}
          </ExpandableSection>
        </Alert>
      )}
    </SpaceBetween>
  );
}
