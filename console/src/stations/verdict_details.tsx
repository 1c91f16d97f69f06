// One verdict of a station with its kept picture: a person says what the part is, and a project learns from it.
import { useEffect, useState } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import FormField from '@cloudscape-design/components/form-field';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import Modal from '@cloudscape-design/components/modal';
import RadioGroup from '@cloudscape-design/components/radio-group';
import Select from '@cloudscape-design/components/select';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import { sentenceOf } from '../api/errors.ts';
import type { StationVerdict } from '../api/generated.ts';
import { keys, useDataset, useModels, useProjects } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { percent, time } from '../app/format.ts';
import { anomalyLine, normalLine } from '../labels/lines.ts';
import { updateEntries } from '../labels/update.ts';
import { fetchObject } from '../pictures/load.ts';
import { useSession } from '../session/session.tsx';
import { verdictOf } from './words.ts';

function KeptPicture({ sourceRef, alt }: { sourceRef: string; alt: string }) {
  const { s3 } = useSession();
  const [url, setUrl] = useState<string>();
  const picture = useQuery({ queryKey: ['kept-picture', sourceRef], queryFn: ({ signal }) => fetchObject(s3, sourceRef, { signal }), staleTime: Infinity, gcTime: 0 });
  useEffect(() => {
    if (!picture.data) return;
    const made = URL.createObjectURL(new Blob([picture.data], { type: sourceRef.endsWith('.png') ? 'image/png' : 'image/jpeg' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [picture.data, sourceRef]);
  if (picture.error) return <Alert type="warning">{sentenceOf(picture.error)}</Alert>;
  return url ? <img className="station-picture" src={url} alt={alt} /> : <Spinner size="large" />;
}

/** Teaches a project what the picture shows. The project that was chosen last is proposed for the next verdict, too. */
function Verify({ sourceRef, verdict }: { sourceRef: string; verdict: StationVerdict }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const projects = useProjects();
  const remembered = sessionStorage.getItem('station-project') ?? undefined;
  const [chosen, setChosen] = useState(remembered);
  const [shows, setShows] = useState<'normal' | 'anomaly'>();
  const [busy, setBusy] = useState<'dataset' | 'model'>();
  const [done, setDone] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const options = (projects.data ?? []).map(({ ProjectName }) => ({ value: ProjectName!, label: ProjectName! }));
  const project = options.find(({ value }) => value === chosen)?.value;
  const dataset = useDataset(project ?? '', 'train', { enabled: project !== undefined });
  const models = useModels(project ?? '', { enabled: project !== undefined });
  const hosted = models.data?.find(({ Status }) => Status === 'HOSTED')?.ModelVersion;

  async function teach(what: 'dataset' | 'model') {
    setBusy(what);
    setProblem(undefined);
    setDone(undefined);
    try {
      if (what === 'dataset') {
        await updateEntries(client, project!, 'train', [(shows === 'normal' ? normalLine : anomalyLine)(sourceRef)]);
        await queries.invalidateQueries({ queryKey: keys.project(project!) });
        setDone(`The training dataset of ${project} has the picture as ${shows === 'normal' ? 'normal' : 'an anomaly'}. Train a new model to learn from it.`);
      } else {
        await client.call('CorrectModel', { ProjectName: project!, ModelVersion: hosted!, SourceRef: sourceRef, IsAnomalous: shows === 'anomaly' });
        setDone(`Model ${hosted} of ${project} is corrected. Package it again to take the correction to the stations.`);
      }
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setBusy(undefined);
  }

  const missing = !shows ? 'Say first what the part is.' : !project ? 'Choose a project first.' : undefined;
  const whyNoDataset = missing ?? (dataset.data === null ? 'This project has no training dataset.' : undefined);
  const whyNoModel = missing ?? (hosted ? undefined : 'No model of this project is in service.');
  return (
    <SpaceBetween size="m">
      <FormField label="The part is">
        <RadioGroup
          value={shows ?? null}
          ariaLabel="The part is"
          onChange={({ detail }) => setShows(detail.value as 'normal' | 'anomaly')}
          items={[
            { value: 'normal', label: 'Normal', ...(verdict.State === 'JUDGED' && verdict.IsAnomalous && { description: 'A false alarm of the station.' }) },
            { value: 'anomaly', label: 'Anomaly', ...(verdict.State === 'JUDGED' && !verdict.IsAnomalous && { description: 'The station missed it.' }) },
          ]}
        />
      </FormField>
      <FormField label="Project" description="Whose models are to learn from the picture.">
        <Select
          selectedOption={options.find(({ value }) => value === project) ?? null}
          options={options}
          placeholder="Choose a project"
          empty="There is no project"
          ariaLabel="Project"
          expandToViewport
          onChange={({ detail }) => {
            setChosen(detail.selectedOption.value);
            sessionStorage.setItem('station-project', detail.selectedOption.value!);
          }}
        />
      </FormField>
      <SpaceBetween direction="horizontal" size="xs">
        <ActionButton
          action="lookoutvision:UpdateDatasetEntries"
          variant="primary"
          loading={busy === 'dataset'}
          disabled={!!whyNoDataset || !!busy}
          disabledReason={whyNoDataset}
          onClick={() => void teach('dataset')}
        >
          Add to the training dataset
        </ActionButton>
        <ActionButton action="vedette:CorrectModel" loading={busy === 'model'} disabled={!!whyNoModel || !!busy} disabledReason={whyNoModel} onClick={() => void teach('model')}>
          Correct the model
        </ActionButton>
      </SpaceBetween>
      {done && <Alert type="success">{done}</Alert>}
      {problem && <Alert type="error">{problem}</Alert>}
    </SpaceBetween>
  );
}

export function VerdictDetails({ verdict, onClose }: { verdict: StationVerdict; onClose(): void }) {
  const { type, text } = verdictOf(verdict);
  const classes = (verdict.Anomalies ?? []).map(({ Name, TotalPercentageArea }) => `${Name} ${percent(TotalPercentageArea)}`).join(', ');
  return (
    <Modal visible size="max" header={`Verdict ${verdict.Sequence}`} closeAriaLabel="Close" onDismiss={onClose}>
      <div className="station-verdict">
        <div>
          {verdict.PictureRef ? (
            <KeptPicture sourceRef={verdict.PictureRef} alt={`Picture of verdict ${verdict.Sequence}`} />
          ) : (
            <Box color="text-body-secondary">
              The picture was not kept. The configuration of the station says which are: <code>journal.pictures.keep</code>.
            </Box>
          )}
        </div>
        <SpaceBetween size="l">
          <KeyValuePairs
            columns={2}
            items={[
              { label: 'Verdict', value: <StatusIndicator type={type}>{text}</StatusIndicator> },
              { label: 'Confidence', value: verdict.State === 'JUDGED' ? percent(verdict.Confidence) : '–' },
              { label: 'Score and threshold', value: verdict.State === 'JUDGED' ? `${verdict.Score?.toFixed(3)} / ${verdict.Threshold?.toFixed(3)}` : '–' },
              { label: 'Kinds of defects', value: classes || '–' },
              { label: 'Part', value: verdict.TriggerId || '–' },
              { label: 'Judged', value: time(verdict.JudgedAt) },
              { label: 'Received', value: time(verdict.ReceivedAt) },
              { label: 'Model', value: `${verdict.ModelComponent ?? '–'} ${verdict.ComponentVersion ?? ''}` },
              ...(verdict.Reason ? [{ label: 'Reason', value: verdict.Reason }] : []),
            ]}
          />
          {verdict.PictureRef && <Verify key={verdict.PictureRef} sourceRef={verdict.PictureRef} verdict={verdict} />}
        </SpaceBetween>
      </div>
    </Modal>
  );
}
