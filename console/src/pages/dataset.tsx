// The pictures of a dataset: looking through them, labelling them, and what is done with the dataset as a whole.
import { useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import ButtonDropdown from '@cloudscape-design/components/button-dropdown';
import Modal from '@cloudscape-design/components/modal';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { navigate } from 'wouter/use-hash-location';
import { clientToken } from '../api/client.ts';
import { sentenceOf } from '../api/errors.ts';
import type { DatasetDescription } from '../api/generated.ts';
import { keys, useDataset } from '../api/queries.ts';
import { parseS3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import { ConfirmDelete } from '../app/confirm_delete.tsx';
import { count, plural } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { href, paths } from '../app/paths.ts';
import { DatasetStatus } from '../gallery/dataset_status.tsx';
import { exportCoco } from '../gallery/export_coco.ts';
import { exportManifest } from '../gallery/export_manifest.ts';
import { Gallery } from '../gallery/gallery.tsx';
import { useGallery, type GalleryModel } from '../gallery/model.ts';
import { pictureLoader } from '../gallery/picture_loader.ts';
import { aloneByLabel, kEnough, missingForTraining } from '../gallery/readiness.ts';
import { nameOf } from '../gallery/rows.ts';
import type { DatasetType } from '../gallery/saving.ts';
import { useDatasetGallery, type DatasetGallery } from '../gallery/use_dataset_gallery.ts';
import { ManageLabels } from '../labels/manage_labels.tsx';
import { useSession } from '../session/session.tsx';
import { ImportPanel } from '../upload/import_panel.tsx';
import { UploadOf, UploadPanel } from '../upload/upload_panel.tsx';

const kNames: Record<DatasetType, string> = { train: 'Training', test: 'Test' };
const kNoRight = 'Your user may only look at datasets. Ask whoever administers the server for the right to change them.';

export default function DatasetPage({ project, type }: { project: string; type: DatasetType }) {
  const train = useDataset(project, 'train');
  const test = useDataset(project, 'test');
  const error = train.error ?? test.error;
  if (error && (train.data === undefined || test.data === undefined))
    return (
      <Alert
        type="error"
        header="The dataset cannot be read"
        action={
          <Button
            onClick={() => {
              void train.refetch();
              void test.refetch();
            }}
          >
            Try again
          </Button>
        }
      >
        {sentenceOf(error)}
      </Alert>
    );
  if (train.data === undefined || test.data === undefined) return <Spinner size="large" />;
  const dataset = type === 'train' ? train.data : test.data;
  if (!dataset) return <NoDataset project={project} type={type} hasOther={(type === 'train' ? test.data : train.data) !== null} />;
  return <Dataset key={`${type} ${dataset.CreationTimestamp}`} project={project} type={type} dataset={dataset} train={train.data} test={test.data} />;
}

function NoDataset({ project, type, hasOther }: { project: string; type: DatasetType; hasOther: boolean }) {
  const what =
    type === 'test'
      ? ['This project has no test dataset', 'Without one, a part of the training pictures is kept back to test each model.', 'Add a test dataset']
      : hasOther
        ? ['This project has no training dataset', 'A model can only be trained when there is one.', 'Create a training dataset']
        : ['This project has no dataset yet', `A dataset holds the pictures that a model learns from. ${kEnough}`, 'Create dataset'];
  return (
    <Nothing title={what[0]!} text={what[1]!}>
      <ActionButton action="lookoutvision:CreateDataset" variant="primary" onClick={() => navigate(paths.createDataset(project))}>
        {what[2]}
      </ActionButton>
      {hasOther && <Button href={href(paths.dataset(project, type === 'train' ? 'test' : 'train'))}>Show the other dataset</Button>}
    </Nothing>
  );
}

function Nothing({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <Box textAlign="center" padding={{ vertical: 'xxxl' }}>
      <SpaceBetween size="m" alignItems="center">
        <div>
          <Box variant="h2">{title}</Box>
          <Box variant="p" color="text-body-secondary">
            {text}
          </Box>
        </div>
        <SpaceBetween direction="horizontal" size="xs">
          {children}
        </SpaceBetween>
      </SpaceBetween>
    </Box>
  );
}

interface DatasetProps {
  project: string;
  type: DatasetType;
  dataset: DatasetDescription;
  train: DatasetDescription | null;
  test: DatasetDescription | null;
}

type Dialog = 'add' | 'import' | 'labels' | 'delete' | undefined;

function Dataset({ project, type, dataset, train, test }: DatasetProps) {
  const session = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [dialog, setDialog] = useState<Dialog>();
  const hasPictures = dataset.Status !== 'CREATE_IN_PROGRESS' && dataset.Status !== 'CREATE_FAILED';
  // Counts what changed pictures that the gallery shows already, which it then lists again.
  const [revision, setRevision] = useState(0);
  const gallery = useDatasetGallery(project, type, hasPictures ? `${dataset.CreationTimestamp} ${revision}` : undefined, dataset.ImageStats?.Total);
  const { model } = gallery;
  const canLabel = session.may('lookoutvision:UpdateDatasetEntries');
  const name = test ? `${kNames[type].toLowerCase()} dataset` : 'dataset';
  const deleteButton = (
    <ActionButton action="lookoutvision:DeleteDataset" onClick={() => setDialog('delete')}>
      Delete {name}
    </ActionButton>
  );
  const addButton = (
    <ActionButton action="lookoutvision:UpdateDatasetEntries" variant="primary" iconName="upload" onClick={() => setDialog('add')}>
      Add pictures
    </ActionButton>
  );
  const bucket = parseS3Uri(model?.rows[0]?.sourceRef ?? '')?.bucket ?? null;
  async function saveCoco() {
    try {
      // The rows may have come after this page was drawn.
      const place = parseS3Uri(model?.rows[0]?.sourceRef ?? '');
      if (!place) throw new Error('The pictures are still being listed. Try again in a moment.');
      const { ImageCount, UnlabelledCount, ProblemCount, Problems } = await exportCoco(session.client, session.s3, place.bucket, project, type);
      const left = UnlabelledCount ? ` ${plural(UnlabelledCount, 'unlabelled picture')} ${UnlabelledCount === 1 ? 'was' : 'were'} left out, because COCO would take ${UnlabelledCount === 1 ? 'it for a good one' : 'them for good ones'}.` : '';
      const lost = ProblemCount ? ` ${plural(ProblemCount, 'picture')} could not be used, such as ${Problems?.[0]}.` : '';
      messages.succeed(`${plural(ImageCount ?? 0, 'picture')} ${ImageCount === 1 ? 'is' : 'are'} in the COCO file.${left}${lost}`);
    } catch (error) {
      messages.fail('The dataset could not be exported', error);
    }
  }

  return (
    <SpaceBetween size="s">
      <PageHeader
        {...{ project, type, dataset, train, test, model }}
        onDialog={setDialog}
        onExport={() =>
          void exportManifest(session.client, project, type).catch((error: unknown) => messages.fail('The dataset could not be exported', error))
        }
        onExportCoco={() => void saveCoco()}
      />
      {!gallery.saving && !gallery.failure && <DatasetStatus dataset={dataset} deleteButton={deleteButton} />}
      {dialog !== 'add' && <UploadOf project={project} type={type} />}
      <Notes gallery={gallery} />
      {hasPictures && !model && <Spinner size="large" />}
      {model && (
        <Gallery
          model={model}
          name={`Pictures of the ${name}`}
          canLabel={canLabel}
          whyNot={kNoRight}
          loadPicture={pictureLoader(session.s3)}
          onDraw={(sourceRef, label) => navigate(paths.editor(project, type, sourceRef), { state: { label } })}
          onSave={gallery.save}
          actions={<SaveActions gallery={gallery} model={model} />}
          empty={
            <Nothing title="The dataset is empty" text={`Add pictures, and label them here. ${kEnough}`}>
              {addButton}
            </Nothing>
          }
        />
      )}
      <Modal visible={dialog === 'add'} size="large" header={`Add pictures to the ${name}`} closeAriaLabel="Close" onDismiss={() => setDialog(undefined)}>
        {dialog === 'add' && (
          <UploadPanel
            project={project}
            type={type}
            bucket={bucket}
            onDone={() => {
              setDialog(undefined);
              void queries.invalidateQueries({ queryKey: keys.dataset(project, type) });
            }}
          />
        )}
      </Modal>
      <Modal visible={dialog === 'import'} size="large" header="Import from another tool" closeAriaLabel="Close" onDismiss={() => setDialog(undefined)}>
        {dialog === 'import' && (
          <ImportPanel
            project={project}
            into={type}
            bucket={bucket}
            onDone={() => {
              setDialog(undefined);
              setRevision((before) => before + 1);
              void queries.invalidateQueries({ queryKey: keys.project(project) });
            }}
          />
        )}
      </Modal>
      {dialog === 'labels' && <ManageLabels project={project} onChanged={() => setRevision((before) => before + 1)} onClose={() => setDialog(undefined)} />}
      {dialog === 'delete' && (
        <ConfirmDelete
          title={`Delete the ${name} of ${project}?`}
          button={`Delete ${name}`}
          onClose={() => setDialog(undefined)}
          onDelete={async () => {
            await session.client.call('DeleteDataset', { ProjectName: project, DatasetType: type, ClientToken: clientToken() });
            messages.succeed(`The ${name} of ${project} was deleted.`);
            await queries.invalidateQueries({ queryKey: keys.project(project) });
          }}
        >
          <Box>
            The list of its {plural(dataset.ImageStats?.Total ?? 0, 'picture')} and their labels go for good. The pictures in the bucket stay, and so do the models.
            {type === 'train' && ' No model can be trained until there is a training dataset again.'}
          </Box>
        </ConfirmDelete>
      )}
    </SpaceBetween>
  );
}

interface HeaderProps extends DatasetProps {
  model: GalleryModel | undefined;
  onDialog(dialog: Dialog): void;
  onExport(): void;
  onExportCoco(): void;
}

function PageHeader({ project, type, dataset, train, test, model, onDialog, onExport, onExportCoco }: HeaderProps) {
  const { may } = useSession();
  const rights = (isAllowed: boolean) => ({ disabled: !isAllowed, disabledReason: kNoRight });
  const isEmpty = !dataset.ImageStats?.Total;
  return (
    <div className="dataset-header">
      <div>
        <Box variant="h1">{test && train ? 'Datasets' : 'Dataset'}</Box>
        {test && train && (
          <SegmentedControl
            label="Dataset"
            selectedId={type}
            options={(['train', 'test'] as const).map((id) => ({ id, text: kNames[id] }))}
            onChange={({ detail }) => navigate(paths.dataset(project, detail.selectedId as DatasetType))}
          />
        )}
        {model ? <LiveCounters model={model} dataset={dataset} /> : <Counters {...countersOf(dataset)} edited={0} />}
      </div>
      <div>
        <ButtonDropdown
          items={[
            { id: 'add', text: 'Add pictures', iconName: 'upload', ...rights(may('lookoutvision:UpdateDatasetEntries')) },
            { id: 'import', text: 'Import from another tool', iconName: 'folder', ...rights(may('lookoutvision:UpdateDatasetEntries')) },
            { id: 'labels', text: 'Manage anomaly labels', iconName: 'edit', ...rights(may('lookoutvision:UpdateDatasetEntries')) },
            ...(test ? [] : [{ id: 'test', text: 'Add a test dataset', iconName: 'add-plus' as const, ...rights(may('lookoutvision:CreateDataset')) }]),
            { id: 'doctor', text: 'Check the dataset', iconName: 'search', disabled: isEmpty, disabledReason: 'There is nothing to check yet.' },
            { id: 'export', text: 'Export as a manifest', iconName: 'download', disabled: isEmpty, disabledReason: 'There is nothing to export yet.' },
            {
              id: 'coco',
              text: 'Export as COCO',
              iconName: 'download',
              disabled: isEmpty || !may('vedette:ExportCocoAnnotations'),
              disabledReason: isEmpty ? 'There is nothing to export yet.' : 'Your user may not do this (vedette:ExportCocoAnnotations). Ask whoever administers the server.',
            },
            { id: 'delete', text: test ? `Delete ${kNames[type].toLowerCase()} dataset` : 'Delete dataset', iconName: 'remove', ...rights(may('lookoutvision:DeleteDataset')) },
          ]}
          onItemClick={({ detail: { id } }) => {
            if (id === 'test') navigate(paths.createDataset(project));
            else if (id === 'doctor') navigate(paths.doctor(project));
            else if (id === 'export') onExport();
            else if (id === 'coco') onExportCoco();
            else onDialog(id as Dialog);
          }}
        >
          Actions
        </ButtonDropdown>
        {type === 'train' && model ? <TrainButtonOf model={model} {...{ project, train, test }} /> : <TrainButton {...{ project, train, test }} />}
      </div>
    </div>
  );
}

interface TrainProps extends Pick<DatasetProps, 'project' | 'train' | 'test'> {
  alone?: ReadonlyMap<string, number>;
}

/** The same with what the pictures tell about their masks. */
function TrainButtonOf({ model, ...props }: TrainProps & { model: GalleryModel }) {
  useGallery(model);
  return <TrainButton {...props} alone={model.isComplete ? aloneByLabel(model.rows) : undefined} />;
}

function TrainButton({ project, train, test, alone }: TrainProps) {
  const missing = missingForTraining(train && (train.ImageStats ?? {}), test && (test.ImageStats ?? {}), alone);
  const isBusy = [train, test].some((one) => one?.Status?.endsWith('_IN_PROGRESS'));
  const reasons = isBusy ? ['The dataset is just being changed.'] : missing;
  return (
    <ActionButton
      action="lookoutvision:CreateModel"
      variant="primary"
      disabled={reasons.length > 0}
      disabledReason={reasons.length > 0 ? `${reasons.join(' ')}${isBusy ? '' : ' Only saved labels count.'}` : undefined}
      onClick={() => navigate(paths.train(project))}
    >
      Train model
    </ActionButton>
  );
}

const countersOf = ({ ImageStats: stats }: DatasetDescription) => ({
  total: stats?.Total ?? 0,
  labelled: stats?.Labeled ?? 0,
  unlabelled: (stats?.Total ?? 0) - (stats?.Labeled ?? 0),
  normal: stats?.Normal ?? 0,
  anomaly: stats?.Anomaly ?? 0,
});

function LiveCounters({ model, dataset }: { model: GalleryModel; dataset: DatasetDescription }) {
  useGallery(model);
  return <Counters {...(model.isComplete ? model.labels.counts() : { ...countersOf(dataset), edited: 0 })} />;
}

function Counters(counts: Record<'total' | 'labelled' | 'unlabelled' | 'normal' | 'anomaly' | 'edited', number>) {
  if (counts.total === 0) return null;
  const shown = [
    ['total', plural(counts.total, 'picture')],
    ['labelled', `${count(counts.labelled)} labelled`],
    ['unlabelled', `${count(counts.unlabelled)} unlabelled`],
    ['normal', `${count(counts.normal)} normal`],
    ['anomaly', plural(counts.anomaly, 'anomaly', 'anomalies')],
  ];
  return (
    <ul className="dataset-counters" aria-label={counts.edited ? 'Counts, with labels that are not saved' : 'Counts'}>
      {shown.map(([id, text]) => (
        <li key={id} data-counter={id}>
          {text}
        </li>
      ))}
    </ul>
  );
}

function SaveActions({ gallery, model }: { gallery: DatasetGallery; model: GalleryModel }) {
  useGallery(model);
  const { edited } = model.labels.counts();
  if (gallery.saving)
    return (
      <div className="dataset-saving">
        <ProgressBar
          value={(100 * gallery.saving.done) / gallery.saving.total}
          label={`Saving ${plural(gallery.saving.total, 'label')}`}
          ariaLabel="Saving the labels"
        />
      </div>
    );
  if (edited === 0) return null;
  return (
    <>
      <Button onClick={() => model.discard()}>Discard changes</Button>
      <Button variant="primary" onClick={gallery.save}>
        Save changes ({count(edited)})
      </Button>
    </>
  );
}

function Notes({ gallery: { model, restored, failure, save } }: { gallery: DatasetGallery }) {
  const [hidden, setHidden] = useState(false);
  const others = failure ? failure.pictures.map(nameOf).filter((name) => !failure.message.includes(name)) : [];
  return (
    <>
      {failure && (
        <Alert type="error" header="The labels could not be saved" action={<Button onClick={save}>Try again</Button>}>
          <Box variant="p">
            {failure.message}
            {others.length > 0 && ` This is about ${others.join(', ')}.`}
          </Box>
          All labels are still here, and those that were not saved keep their mark.
          {failure.pictures.length > 0 && ' Mend what the reason names, or take back the labels of these pictures, and save again.'}
        </Alert>
      )}
      {restored > 0 && !hidden && model && (
        <Alert
          type="info"
          dismissible
          dismissAriaLabel="Dismiss"
          onDismiss={() => setHidden(true)}
          action={
            <Button
              onClick={() => {
                model.discard();
                setHidden(true);
              }}
            >
              Discard them
            </Button>
          }
        >
          {plural(restored, 'label')} from your last visit {restored === 1 ? 'was' : 'were'} not saved. You find {restored === 1 ? 'it' : 'them'} here as {restored === 1 ? 'it was' : 'they were'}.
        </Alert>
      )}
    </>
  );
}
