// One trial detection: what the model says about each picture, whether that is right, and what is taught with it.
import { useMemo, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { isNotFound, sentenceOf } from '../api/errors.ts';
import { keys, useDataset, useModel } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, plural } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { NotFound } from '../app/not_found.tsx';
import { useCorrectionsChanged } from '../corrections/queries.ts';
import { fetchThumbnails } from '../gallery/dataset_source.ts';
import { Gallery } from '../gallery/gallery.tsx';
import { useGallery, type GalleryModel } from '../gallery/model.ts';
import { pictureLoader } from '../gallery/picture_loader.ts';
import { kAnomaly, kNormal, kUnlabelled, nameOf, type GalleryRow, type GallerySource, type Label } from '../gallery/rows.ts';
import { useDraftedGallery } from '../gallery/use_drafted_gallery.ts';
import { anomalyLine, normalLine } from '../labels/lines.ts';
import { updateEntries } from '../labels/update.ts';
import { useSession } from '../session/session.tsx';
import type { Client } from '../api/client.ts';
import { TrialStatus } from './trial_status.tsx';

const kAtOnce = 1000;
const opposite = (label: Label) => (label === kNormal ? kAnomaly : kNormal);

/** The pictures of a task. The label of a row is what a person verified: the model's class if it was right, else the other one. */
function trialSource(client: Client, project: string, name: string): GallerySource {
  return {
    async list(offset, most, signal) {
      const input = { ProjectName: project, TrialName: name, Offset: offset, MaxResults: most };
      const { TotalCount, Images } = await client.call('ListTrialDetectionImages', input, { signal });
      const rows = (Images ?? []).map((image): GalleryRow => {
        const verdict = image.IsAnomalous === undefined ? kUnlabelled : image.IsAnomalous ? kAnomaly : kNormal;
        return {
          sourceRef: image.SourceRef!,
          name: nameOf(image.SourceRef!),
          label: !image.Verification || verdict === kUnlabelled ? kUnlabelled : image.Verification === 'CORRECT' ? verdict : opposite(verdict),
          anomalyLabels: image.AnomalyLabels ?? [],
          predictedMaskRef: image.MaskRef,
          verdict,
          confidence: image.Confidence,
          score: image.Score,
          ...(verdict === kUnlabelled && { isFixed: true }),
        };
      });
      return { total: TotalCount ?? rows.length, rows };
    },
    thumbnails: (refs, signal) => fetchThumbnails(client, refs, signal),
  };
}

function Verification({ project, name, version }: { project: string; name: string; version: string }) {
  const { client, arn, region } = useSession();
  const source = useMemo(() => trialSource(client, project, name), [client, project, name]);
  const { model, restored, forgetRestored } = useDraftedGallery(source, [arn, region, project, 'trial', name].join(' '));
  if (!model) return <Spinner size="large" />;
  return (
    <SpaceBetween size="s">
      {restored > 0 && (
        <Alert
          type="info"
          dismissible
          dismissAriaLabel="Dismiss"
          onDismiss={forgetRestored}
          action={
            <Button
              onClick={() => {
                model.discard();
                forgetRestored();
              }}
            >
              Discard them
            </Button>
          }
        >
          {plural(restored, 'verification')} from your last visit {restored === 1 ? 'was' : 'were'} not saved. You find {restored === 1 ? 'it' : 'them'} here as {restored === 1 ? 'it was' : 'they were'}.
        </Alert>
      )}
      <VerifiedGallery project={project} name={name} version={version} model={model} onSaved={forgetRestored} />
    </SpaceBetween>
  );
}

function VerifiedGallery({ project, name, version, model, onSaved }: { project: string; name: string; version: string; model: GalleryModel; onSaved(): void }) {
  const { client, s3, may } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const dataset = useDataset(project, 'train');
  const served = useModel(project, version);
  const correctionsChanged = useCorrectionsChanged(project, version);
  useGallery(model);
  const [busy, setBusy] = useState(false);
  const looking = useMemo(() => ({ project, version }), [project, version]);
  const canVerify = may('vedette:StartTrialDetection');
  const edited = model.labels.counts().edited;
  const verified = model.rows.flatMap(({ sourceRef, verdict }, i) => {
    const label = model.labels.labelOf(i);
    return label === kUnlabelled ? [] : [{ sourceRef, label, isWrong: label !== verdict }];
  });
  const wrong = verified.filter(({ isWrong }) => isWrong);

  /** Says of the chosen pictures that the model was right, or that it was not. */
  function verify(isCorrect: boolean) {
    const labels = new Map(
      model.selection.targets().flatMap((row) => {
        const verdict = model.rows[row]!.verdict ?? kUnlabelled;
        return verdict === kUnlabelled ? [] : [[row, isCorrect ? verdict : opposite(verdict)] as [number, Label]];
      }),
    );
    model.change(labels);
  }

  async function save() {
    if (busy || edited === 0) return;
    setBusy(true);
    try {
      const rows = model.labels.edited();
      for (let at = 0; at < rows.length; at += kAtOnce) {
        const batch = rows.slice(at, at + kAtOnce);
        const labels = new Map(batch.map((row) => [row, model.labels.labelOf(row)]));
        const Verifications = batch.map((row) => {
          const { sourceRef: SourceRef, verdict } = model.rows[row]!;
          const label = labels.get(row);
          return label === kUnlabelled ? { SourceRef } : { SourceRef, Verification: label === verdict ? ('CORRECT' as const) : ('INCORRECT' as const) };
        });
        await client.call('VerifyTrialDetectionImages', { ProjectName: project, TrialName: name, Verifications });
        model.markSaved(labels);
      }
      onSaved();
      await queries.invalidateQueries({ queryKey: keys.trials(project) });
    } catch (error) {
      messages.fail('The verifications were not saved', error);
    }
    setBusy(false);
  }

  /** Adds what was verified to the training dataset, but for pictures that it holds already: their labels and masks stay. */
  async function teach() {
    setBusy(true);
    try {
      const known = new Set<string>();
      for (let offset = 0, total = 1; offset < total; offset += 5000) {
        const page = await client.call('ListDatasetImages', { ProjectName: project, DatasetType: 'train', Offset: offset, MaxResults: 5000 });
        total = page.TotalCount ?? 0;
        for (const { SourceRef } of page.Images ?? []) known.add(SourceRef!);
      }
      const fresh = verified.filter(({ sourceRef }) => !known.has(sourceRef));
      if (fresh.length) await updateEntries(client, project, 'train', fresh.map(({ sourceRef, label }) => (label === kNormal ? normalLine : anomalyLine)(sourceRef)));
      await queries.invalidateQueries({ queryKey: keys.project(project) });
      const rest = verified.length - fresh.length;
      messages.succeed(`${plural(fresh.length, 'verified picture')} were added to the dataset${rest ? `; it had ${count(rest)} of them already` : ''}. Train a new model to learn from them.`);
    } catch (error) {
      messages.fail('The pictures were not added to the dataset', error);
    }
    setBusy(false);
  }

  /** Tells the model in service of each verdict that was verified as wrong what the picture shows. */
  async function correctModel() {
    setBusy(true);
    let corrected = 0;
    try {
      for (const { sourceRef, label } of wrong) {
        await client.call('CorrectModel', { ProjectName: project, ModelVersion: version, SourceRef: sourceRef, IsAnomalous: label !== kNormal });
        ++corrected;
      }
      messages.succeed(`Model ${version} is corrected by ${plural(corrected, 'picture')}. Its page shows what that changes, and takes it back.`);
    } catch (error) {
      messages.fail(corrected ? `The model is corrected by ${plural(corrected, 'picture')}, but not by the others` : 'The model was not corrected', error);
    }
    await correctionsChanged();
    setBusy(false);
  }

  const whyNoCorrection =
    served.data?.Status !== 'HOSTED' ? `Start model ${version} first.` : wrong.length === 0 ? 'Verify some pictures as incorrect first.' : edited ? 'Save the verifications first.' : undefined;
  const whyNoDataset = !dataset.data ? 'This project has no dataset.' : verified.length === 0 ? 'Verify some pictures first.' : edited ? 'Save the verifications first.' : undefined;
  return (
    <Gallery
      model={model}
      name="Pictures of the trial"
      canLabel={canVerify}
      whyNot="Your user may only look at trial detections."
      loadPicture={pictureLoader(s3)}
      looking={looking}
      onSave={() => void save()}
      empty={<Box textAlign="center">The model judged no picture.</Box>}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button disabled={!canVerify || model.selection.focus < 0} onClick={() => verify(true)}>
            Verify as correct
          </Button>
          <Button disabled={!canVerify || model.selection.focus < 0} onClick={() => verify(false)}>
            Verify as incorrect
          </Button>
          {edited > 0 && (
            <Button variant="primary" loading={busy} onClick={() => void save()}>
              Save {plural(edited, 'verification')}
            </Button>
          )}
          <ActionButton action="lookoutvision:UpdateDatasetEntries" loading={busy && edited === 0} disabled={!!whyNoDataset} disabledReason={whyNoDataset} onClick={() => void teach()}>
            Add verified images to dataset
          </ActionButton>
          <ActionButton action="vedette:CorrectModel" loading={busy && edited === 0} disabled={!!whyNoCorrection} disabledReason={whyNoCorrection} onClick={() => void correctModel()}>
            Correct the model
          </ActionButton>
        </SpaceBetween>
      }
    />
  );
}

export default function TrialPage({ project, name }: { project: string; name: string }) {
  const { client } = useSession();
  const messages = useMessages();
  const trial = useQuery({
    queryKey: [...keys.trials(project), name],
    queryFn: async ({ signal }) => (await client.call('DescribeTrialDetection', { ProjectName: project, TrialName: name }, { signal })).TrialDetection ?? {},
    refetchInterval: ({ state }) => (state.data?.Status === 'RUNNING' || !state.data ? 1000 : false),
  });
  if (isNotFound(trial.error)) return <NotFound />;
  if (!trial.data) return trial.error ? <Alert type="error">{sentenceOf(trial.error)}</Alert> : <Spinner size="large" />;
  const { Status, StatusMessage, JudgedCount, AnomalyCount, CorrectCount = 0, IncorrectCount = 0, SkippedCount, ModelVersion } = trial.data;
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        description={`Model ${ModelVersion}: ${plural(AnomalyCount ?? 0, 'anomaly', 'anomalies')} in ${plural(JudgedCount ?? 0, 'picture')}${
          CorrectCount + IncorrectCount ? `; ${count(CorrectCount)} verified as correct, ${count(IncorrectCount)} as incorrect` : ''
        }${SkippedCount ? `; ${plural(SkippedCount, 'file was', 'files were')} no picture that it can judge` : ''}.`}
        actions={
          Status === 'RUNNING' && (
            <Button
              onClick={() =>
                void client
                  .call('StopTrialDetection', { ProjectName: project, TrialName: name })
                  .then(() => trial.refetch())
                  .catch((error: unknown) => messages.fail('The trial was not stopped', error))
              }
            >
              Stop
            </Button>
          )
        }
      >
        {name} <TrialStatus trial={trial.data} />
      </Header>
      {trial.error && (
        <Alert type="warning" header="What is shown here may be out of date">
          {sentenceOf(trial.error)}
        </Alert>
      )}
      {Status === 'FAILED' && <Alert type="error">{StatusMessage}</Alert>}
      {Status !== 'RUNNING' && (JudgedCount ?? 0) > 0 && <Verification project={project} name={name} version={ModelVersion!} />}
    </SpaceBetween>
  );
}
