// All findings of one kind: what it means, the pictures, and what can be done about each and about all.
import { useState } from 'react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Container from '@cloudscape-design/components/container';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import { useHashLocation } from 'wouter/use-hash-location';
import { sentenceOf } from '../api/errors.ts';
import type { DatasetFinding } from '../api/generated.ts';
import { keys } from '../api/queries.ts';
import { ActionButton } from '../app/allowed.tsx';
import { count } from '../app/format.ts';
import { paths } from '../app/paths.ts';
import { kLabelNames, nameOf, type Thumbnail } from '../gallery/rows.ts';
import { useThumbnails } from '../gallery/use_thumbnails.ts';
import { useSession } from '../session/session.tsx';
import { changesOf, isAboutCopies, isSettled, keyOf, kKinds, kRemedies, pictureOf, relatedOf, sentenceOfChange, type FindingKind, type Picture, type Remedy } from './findings.ts';
import type { Doctor } from './use_doctor.ts';

const kAtOnce = 24;
const kMostFindings = 5000;

interface Props {
  project: string;
  /** Tells one check from another. */
  check: string;
  kind: FindingKind;
  total: number;
  doctor: Doctor;
  onLook(pictures: Picture[]): void;
}

export function FindingGroup({ project, check, kind, total, doctor, onLook }: Props) {
  const { client } = useSession();
  const [, navigate] = useHashLocation();
  const [shown, setShown] = useState(kAtOnce);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const text = kKinds[kind];
  const list = async (offset: number, most: number, signal?: AbortSignal) =>
    (await client.call('ListDatasetFindings', { ProjectName: project, Kind: kind, Offset: offset, MaxResults: most }, { signal })).Findings ?? [];
  const findings = useQuery({
    queryKey: [...keys.datasetCheck(project), check, kind, shown],
    queryFn: ({ signal }) => list(0, shown, signal),
    placeholderData: keepPreviousData,
  });
  const pictures = (findings.data ?? []).flatMap((finding) => [pictureOf(finding)?.sourceRef, relatedOf(finding)?.sourceRef].filter((ref) => ref !== undefined));
  const thumbnails = useThumbnails([...new Set(pictures)]);
  const changed = (findings.data ?? []).flatMap((finding) => [pictureOf(finding), relatedOf(finding)]).filter((picture): picture is Picture => !!picture && doctor.changeOf(picture) !== undefined);

  async function forAll(remedy: Remedy) {
    setBusy(true);
    setProblem(undefined);
    try {
      const all: DatasetFinding[] = [];
      while (all.length < total) {
        const page = await list(all.length, kMostFindings);
        if (page.length === 0) break;
        all.push(...page);
      }
      doctor.apply(all.filter((finding) => !isSettled(finding, doctor.labelOf)).flatMap((finding) => changesOf(remedy, finding, doctor.labelOf)));
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setBusy(false);
  }

  const isReady = doctor.rowOf !== undefined && !doctor.saving;
  const hasPictures = (findings.data ?? []).some(({ SourceRef }) => SourceRef !== undefined);
  return (
    <Container
      header={
        <Header
          variant="h2"
          counter={hasPictures ? `(${count(total)})` : undefined}
          description={text.meaning}
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              {changed.length > 0 && <Button onClick={() => doctor.undo(changed)}>Undo</Button>}
              {text.forAll.map((remedy) => (
                <ActionButton key={remedy} action="lookoutvision:UpdateDatasetEntries" disabled={!isReady} loading={busy} onClick={() => void forAll(remedy)}>
                  {kRemedies[remedy].forAll}
                </ActionButton>
              ))}
            </SpaceBetween>
          }
        >
          {text.title}
        </Header>
      }
    >
      <SpaceBetween size="m">
        {(findings.error || problem) && (
          <Alert type="error" action={<Button onClick={() => void findings.refetch()}>Try again</Button>}>
            {problem ?? sentenceOf(findings.error)}
          </Alert>
        )}
        {findings.isPending && <Spinner />}
        {!hasPictures ? (
          <SpaceBetween size="xs">
            {(findings.data ?? []).map((finding) => (
              <StatusIndicator key={finding.Detail} type="warning" wrapText>
                {finding.Detail}
              </StatusIndicator>
            ))}
            {findings.data && <Button onClick={() => navigate(paths.dataset(project))}>Open the dataset</Button>}
          </SpaceBetween>
        ) : (
          <ul className="doctor-findings" aria-label={text.title}>
            {(findings.data ?? []).map((finding) => (
              <Card key={keyOf(pictureOf(finding)!)} {...{ project, finding, doctor, thumbnails, isReady, onLook }} />
            ))}
          </ul>
        )}
        {shown < total && (
          <Button loading={findings.isPlaceholderData} onClick={() => setShown((n) => Math.min(kMostFindings, n + 4 * kAtOnce))}>
            Show more ({count(total - Math.min(total, shown))} left)
          </Button>
        )}
      </SpaceBetween>
    </Container>
  );
}

interface CardProps {
  project: string;
  finding: DatasetFinding;
  doctor: Doctor;
  thumbnails: ReadonlyMap<string, Thumbnail>;
  isReady: boolean;
  onLook(pictures: Picture[]): void;
}

function Card({ project, finding, doctor, thumbnails, isReady, onLook }: CardProps) {
  const [, navigate] = useHashLocation();
  const picture = pictureOf(finding)!;
  const related = relatedOf(finding);
  const both = related ? [related, picture] : [picture];
  const text = kKinds[finding.Kind!];
  const changed = both.filter((one) => doctor.changeOf(one) !== undefined);
  const settled = isReady && changed.length === 0 && isSettled(finding, doctor.labelOf);
  const hasNoMask = text.hasMask && isReady && doctor.rowOf!(picture)?.maskRef === undefined;
  const buttonOf = (remedy: Remedy) => (
    <ActionButton
      key={remedy}
      action="lookoutvision:UpdateDatasetEntries"
      disabled={!isReady}
      ariaLabel={`${kRemedies[remedy].text}: ${nameOf(remedy === 'keepOther' ? related!.sourceRef : picture.sourceRef)}`}
      onClick={() => doctor.apply(changesOf(remedy, finding, doctor.labelOf))}
    >
      {kRemedies[remedy].text}
    </ActionButton>
  );
  const isOpen = changed.length === 0 && !settled && !hasNoMask;
  return (
    <li className="doctor-finding" data-settled={!isOpen || undefined} data-pair={both.length > 1 || undefined}>
      <div className="doctor-pictures">
        {both.map((one) => (
          <figure key={keyOf(one)}>
            <Shown thumbnail={thumbnails.get(one.sourceRef)} onClick={() => onLook(both)} name={nameOf(one.sourceRef)} />
            <figcaption title={one.sourceRef}>
              <span className="doctor-name">{nameOf(one.sourceRef)}</span>
              <Box color="text-body-secondary" fontSize="body-s">
                {one.type === 'train' ? 'Training' : 'Test'}
                {isReady && `, ${kLabelNames[doctor.labelOf(one) ?? 0].toLowerCase()}`}
              </Box>
            </figcaption>
            {isOpen && isAboutCopies(finding) && buttonOf(one === picture ? 'keepThis' : 'keepOther')}
          </figure>
        ))}
      </div>
      <Box variant="p">{finding.Detail}</Box>
      {changed.map((one) => (
        <SpaceBetween key={keyOf(one)} direction="horizontal" size="xs" alignItems="center">
          <StatusIndicator type="pending" wrapText>
            {sentenceOfChange(doctor.changeOf(one)!)}
            {both.length > 1 && `: ${nameOf(one.sourceRef)}`}
          </StatusIndicator>
          <Button variant="inline-link" disabled={!isReady} ariaLabel={`Undo: ${nameOf(one.sourceRef)}`} onClick={() => doctor.undo([one])}>
            Undo
          </Button>
        </SpaceBetween>
      ))}
      {settled && <StatusIndicator type="success">Not used in a training any more</StatusIndicator>}
      {!settled && changed.length === 0 && hasNoMask && <StatusIndicator type="success">It has no mask any more</StatusIndicator>}
      {isOpen && (
        <SpaceBetween direction="horizontal" size="xs">
          {text.remedies.filter((remedy) => remedy !== 'keepOther' && remedy !== 'keepThis').map(buttonOf)}
          {text.hasMask && <Button onClick={() => navigate(paths.editor(project, picture.type, picture.sourceRef))}>Draw the mask</Button>}
        </SpaceBetween>
      )}
    </li>
  );
}

function Shown({ thumbnail, name, onClick }: { thumbnail: Thumbnail | undefined; name: string; onClick(): void }) {
  if (thumbnail && 'reason' in thumbnail) return <div className="doctor-thumbnail">{thumbnail.reason}</div>;
  return (
    <button type="button" className="doctor-thumbnail" aria-label={`Look at ${name}`} onClick={onClick}>
      {thumbnail && <img src={`data:image/jpeg;base64,${thumbnail.jpeg}`} alt="" />}
    </button>
  );
}
