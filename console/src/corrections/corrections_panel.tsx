// The pictures that correct a model: what each says, what all of them change, and how to take one back.
import { useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Header from '@cloudscape-design/components/header';
import SpaceBetween from '@cloudscape-design/components/space-between';
import Spinner from '@cloudscape-design/components/spinner';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import Table from '@cloudscape-design/components/table';
import { sentenceOf } from '../api/errors.ts';
import { ActionButton } from '../app/allowed.tsx';
import { time } from '../app/format.ts';
import { useMessages } from '../app/messages.tsx';
import { nameOf } from '../gallery/rows.ts';
import { useThumbnails } from '../gallery/use_thumbnails.ts';
import { useSession } from '../session/session.tsx';
import { useCorrections, useCorrectionsChanged } from './queries.ts';
import { effectSentences } from './words.ts';
import './corrections.css';

interface Props {
  project: string;
  version: string;
  onTry(): void;
}

export function CorrectionsPanel({ project, version, onTry }: Props) {
  const { client } = useSession();
  const messages = useMessages();
  const corrections = useCorrections(project, version);
  const changed = useCorrectionsChanged(project, version);
  const [removing, setRemoving] = useState<string>();
  const items = corrections.data?.Corrections ?? [];
  const thumbnails = useThumbnails(items.map(({ SourceRef }) => SourceRef!));
  if (corrections.error)
    return (
      <Alert type="error" header="The corrections cannot be read" action={<Button onClick={() => void corrections.refetch()}>Try again</Button>}>
        {sentenceOf(corrections.error)}
      </Alert>
    );
  if (!corrections.data) return <Spinner size="large" />;

  async function remove(SourceRef: string) {
    setRemoving(SourceRef);
    try {
      await client.call('DeleteModelCorrection', { ProjectName: project, ModelVersion: version, SourceRef });
      messages.succeed('The correction was taken back. The model judges the picture by itself again.');
    } catch (error) {
      messages.fail('The correction was not taken back', error);
    }
    await changed();
    setRemoving(undefined);
  }

  const effect = effectSentences(corrections.data.Effect ?? {});
  return (
    <SpaceBetween size="m">
      {items.length > 0 && effect.length > 0 && (
        <Alert type={(corrections.data.Effect?.MadeIncorrect?.length ?? 0) > 0 ? 'warning' : 'info'} header="What they are worth">
          {effect.map((sentence) => (
            <div key={sentence}>{sentence}</div>
          ))}
        </Alert>
      )}
      <Table
        variant="container"
        wrapLines
        items={items}
        trackBy="SourceRef"
        header={
          <Header variant="h2" counter={`(${items.length})`} description="Pictures that this model got wrong until somebody said what they show. Nothing is trained: they change its verdicts at once.">
            Corrections
          </Header>
        }
        empty={
          <SpaceBetween size="s" alignItems="center">
            <Box textAlign="center">
              <b>Nobody has corrected this model</b>
              <div>Try a picture that it gets wrong, or verify a trial detection, and say what the picture shows.</div>
            </Box>
            <Button onClick={onTry}>Try a picture</Button>
          </SpaceBetween>
        }
        columnDefinitions={[
          {
            id: 'picture',
            header: 'Picture',
            cell: ({ SourceRef }) => {
              const thumbnail = thumbnails.get(SourceRef!);
              return (
                <div className="corrected-picture">
                  {thumbnail && 'jpeg' in thumbnail ? <img src={`data:image/jpeg;base64,${thumbnail.jpeg}`} alt="" /> : <div className="no-picture" />}
                  <div>
                    {nameOf(SourceRef!)}
                    <Box color="text-body-secondary" fontSize="body-s">
                      <span className="breakable">{SourceRef!.slice(0, -nameOf(SourceRef!).length)}</span>
                    </Box>
                  </div>
                </div>
              );
            },
          },
          {
            id: 'says',
            header: 'It shows',
            minWidth: 220,
            cell: ({ IsAnomalous, IsNeeded, Place }) => (
              <SpaceBetween size="xxs">
                <StatusIndicator type={IsAnomalous ? 'error' : 'success'}>{IsAnomalous ? 'Anomaly' : 'Normal'}</StatusIndicator>
                <Box color="text-body-secondary" fontSize="body-s">
                  {!IsNeeded ? 'The model says so by itself now; the picture only holds other corrections back.' : Place ? `The defect is at ${Place.X}, ${Place.Y}.` : IsAnomalous ? 'Nobody pointed at the defect.' : ''}
                </Box>
              </SpaceBetween>
            ),
          },
          {
            id: 'who',
            header: 'Corrected by',
            minWidth: 160,
            cell: ({ CorrectedBy, CorrectedAt }) => (
              <>
                {CorrectedBy}
                <Box color="text-body-secondary" fontSize="body-s">
                  {time(CorrectedAt)}
                </Box>
              </>
            ),
          },
          {
            id: 'actions',
            header: 'Actions',
            minWidth: 130,
            cell: ({ SourceRef }) => (
              <ActionButton action="vedette:DeleteModelCorrection" variant="inline-link" ariaLabel={`Take back ${SourceRef}`} loading={removing === SourceRef} onClick={() => void remove(SourceRef!)}>
                Take back
              </ActionButton>
            ),
          },
        ]}
      />
      {items.length > 0 && <Box color="text-body-secondary">Corrections belong to this model. Add the pictures to the dataset before you train the next one, so that it learns from them.</Box>}
    </SpaceBetween>
  );
}
