// The dataset doctor: checks the datasets of a project before a training, and mends what it finds.
import { useEffect, useState, type ReactNode } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import ContentLayout from '@cloudscape-design/components/content-layout';
import Header from '@cloudscape-design/components/header';
import ProgressBar from '@cloudscape-design/components/progress-bar';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import { useHashLocation } from 'wouter/use-hash-location';
import { sentenceOf } from '../api/errors.ts';
import type { DatasetCheck } from '../api/generated.ts';
import { keys, useDataset } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count, plural, time } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { paths } from '../app/paths.ts';
import { Compare } from '../doctor/compare.tsx';
import '../doctor/doctor.css';
import { FindingGroup } from '../doctor/finding_group.tsx';
import { kKinds, type FindingKind, type Picture } from '../doctor/findings.ts';
import { useDatasetCheck, useDoctor, type Doctor } from '../doctor/use_doctor.ts';
import { kEnough } from '../gallery/readiness.ts';
import { useSession } from '../session/session.tsx';

export default function DoctorPage({ project }: { project: string }) {
  const { client } = useSession();
  const queries = useQueryClient();
  const messages = useMessages();
  const [, navigate] = useHashLocation();
  const check = useDatasetCheck(project);
  const train = useDataset(project, 'train');
  const test = useDataset(project, 'test');
  const [starting, setStarting] = useState(false);
  const isRunning = check.data?.Status === 'RUNNING';
  const doctor = useDoctor(project, check.data?.Status === 'COMPLETED' && (check.data.FindingCounts?.length ?? 0) > 0);
  const unsaved = doctor.changes.size;

  useEffect(() => {
    if (unsaved === 0) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', ask);
    return () => window.removeEventListener('beforeunload', ask);
  }, [unsaved]);

  async function start() {
    setStarting(true);
    try {
      const { DatasetCheck: begun } = await client.call('StartDatasetCheck', { ProjectName: project });
      queries.setQueryData(keys.datasetCheck(project), begun ?? null);
    } catch (error) {
      messages.fail('The check did not begin', error);
    }
    setStarting(false);
  }

  const startButton = (isPrimary: boolean) => (
    <ActionButton
      action="vedette:StartDatasetCheck"
      variant={isPrimary ? 'primary' : 'normal'}
      loading={starting}
      disabled={isRunning || unsaved > 0}
      disabledReason={isRunning ? 'A check is running.' : 'Save or discard your changes first.'}
      onClick={() => void start()}
    >
      {check.data ? 'Check again' : 'Check the dataset'}
    </ActionButton>
  );

  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description="Finds what may spoil a training: pictures and masks that cannot be used, copies, doubtful labels, and pictures unlike the others."
          actions={check.data && startButton(false)}
        >
          Dataset doctor
        </Header>
      }
    >
      {check.error ? (
        <Alert type="error" header="The check cannot be read" action={<Button onClick={() => void check.refetch()}>Try again</Button>}>
          {sentenceOf(check.error)}
        </Alert>
      ) : check.data === undefined || train.isPending || test.isPending ? (
        <Spinner size="large" />
      ) : check.data === null && train.data === null && test.data === null ? (
        <Container>
          <Box textAlign="center" padding="xl">
            <Box variant="h2">There is nothing to check yet</Box>
            <Box variant="p" color="text-body-secondary">
              The doctor looks at the pictures of the dataset, and this project has none. {kEnough}
            </Box>
            <ActionButton action="lookoutvision:CreateDataset" variant="primary" onClick={() => navigate(paths.createDataset(project))}>
              Create dataset
            </ActionButton>
          </Box>
        </Container>
      ) : check.data === null ? (
        <Container>
          <Box textAlign="center" padding="xl">
            <Box variant="h2">This project has not been checked yet</Box>
            <Box variant="p" color="text-body-secondary">
              The check looks at every labelled picture, of the training and the test dataset. It runs in the background, and you can mend what it finds right here.
            </Box>
            {startButton(true)}
          </Box>
        </Container>
      ) : (
        <Result {...{ project, doctor }} check={check.data} />
      )}
    </ContentLayout>
  );
}

function Result({ project, check, doctor }: { project: string; check: DatasetCheck; doctor: Doctor }) {
  const [, navigate] = useHashLocation();
  const [looking, setLooking] = useState<Picture[]>();
  const groups = (check.FindingCounts ?? []).filter(({ Kind }) => Kind && Kind in kKinds) as { Kind: FindingKind; Count: number }[];
  if (check.Status === 'RUNNING')
    return (
      <Container>
        <ProgressBar
          value={(100 * (check.CheckedCount ?? 0)) / Math.max(1, check.ImageCount ?? 0)}
          label="The check is running"
          description="You may leave this page; the check goes on. Detections come first, so it takes longer while there are many."
          additionalInfo={`${count(check.CheckedCount)} of ${plural(check.ImageCount ?? 0, 'labelled picture')}. ${check.StatusMessage ?? ''}`}
        />
      </Container>
    );
  if (check.Status === 'FAILED')
    return (
      <Alert type="error" header="The check failed">
        {check.StatusMessage} Check again.
      </Alert>
    );
  return (
    <>
      <SpaceBetween size="l">
        {check.IsOutdated && (
          <Alert type="info" header="The dataset has changed since this check">
            What was mended is marked below. Check again to know how the dataset is now.
          </Alert>
        )}
        <Summary groups={groups} check={check}>
          {groups.length === 0 && <Button onClick={() => navigate(paths.train(project))}>Go on to train a model</Button>}
        </Summary>
        {doctor.problem && (
          <Alert type="error" header="Something went wrong">
            {doctor.problem} What was not saved is still here.
          </Alert>
        )}
        {groups.map(({ Kind, Count }) => (
          <FindingGroup key={Kind} project={project} check={String(check.CreationTimestamp)} kind={Kind} total={Count} doctor={doctor} onLook={setLooking} />
        ))}
        {looking && <Compare pictures={looking} onClose={() => setLooking(undefined)} />}
      </SpaceBetween>
      <SaveBar doctor={doctor} />
    </>
  );
}

function Summary({ check, groups, children }: { check: DatasetCheck; groups: { Kind: FindingKind; Count: number }[]; children: ReactNode }) {
  const when = `Checked ${time(check.LastUpdatedTimestamp)}. ${(check.StatusMessage ?? '').replaceAll('images', 'pictures')}`;
  if (groups.length === 0)
    return (
      <Alert type="success" header="Nothing was found" action={children}>
        {when}
      </Alert>
    );
  return (
    <Box color="text-body-secondary">
      {when} {groups.map(({ Kind, Count }) => `${kKinds[Kind].title}: ${count(Count)}`).join(' · ')}
    </Box>
  );
}

/** Stays in sight while there is something to save. */
function SaveBar({ doctor }: { doctor: Doctor }) {
  if (doctor.saving)
    return (
      <div className="doctor-save">
        <ProgressBar value={(100 * doctor.saving.done) / doctor.saving.total} label={`Saving ${plural(doctor.saving.total, 'change')}`} />
      </div>
    );
  if (doctor.changes.size === 0) return null;
  return (
    <div className="doctor-save" role="region" aria-label="Changes that are not saved">
      <Box variant="strong">{plural(doctor.changes.size, 'change is', 'changes are')} not saved yet.</Box>
      <SpaceBetween direction="horizontal" size="xs">
        <Button onClick={doctor.discard}>Discard changes</Button>
        <ActionButton action="lookoutvision:UpdateDatasetEntries" variant="primary" onClick={doctor.save}>
          Save changes ({count(doctor.changes.size)})
        </ActionButton>
      </SpaceBetween>
    </div>
  );
}
