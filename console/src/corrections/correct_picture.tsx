// Tells a model in service what a picture shows that it got wrong.
import { useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import SpaceBetween from '@cloudscape-design/components/space-between';
import { sentenceOf } from '../api/errors.ts';
import { s3Uri } from '../api/s3.ts';
import { ActionButton } from '../app/allowed.tsx';
import type { Place } from '../looks/look.ts';
import { useSession } from '../session/session.tsx';
import { useConsoleBucket } from '../upload/console_bucket_dialog.tsx';
import { useCorrectionsChanged } from './queries.ts';
import { effectSentences, promise } from './words.ts';

/** What is corrected: a file of this computer, which is then kept in the console's bucket. */
export interface Corrected {
  name: string;
  type: string;
  bytes: Uint8Array;
  width: number;
  height: number;
  isAnomalous: boolean;
}

interface Props {
  project: string;
  version: string;
  picture: Corrected;
  /** Where the person clicked while `isPointing`. */
  place: Place | undefined;
  isPointing: boolean;
  onPoint(isPointing: boolean): void;
  /** Is called when the model says something else now, and asks it again. */
  onChanged(): Promise<void>;
}

export function CorrectPicture({ project, version, picture, place, isPointing, onPoint, onChanged }: Props) {
  const { client, s3 } = useSession();
  const consoleBucket = useConsoleBucket();
  const changed = useCorrectionsChanged(project, version);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<{ header: string; text: string }>();
  const [done, setDone] = useState<{ sourceRef: string; sentences: string[] }>();

  async function change(work: () => Promise<typeof done>) {
    setBusy(true);
    setProblem(undefined);
    try {
      const result = await work();
      // The server has taken the change, so that it can be taken back, whatever comes of asking again.
      await Promise.all([changed(), onChanged()]).catch((error: unknown) => setProblem({ header: 'What the model says now is not known', text: sentenceOf(error) }));
      onPoint(false);
      setDone(result);
    } catch (error) {
      setProblem({ header: 'The model was not changed', text: sentenceOf(error) });
    }
    setBusy(false);
  }

  const correct = (isAnomalous: boolean, at: Place | undefined) =>
    change(async () => {
      const bucket = await consoleBucket();
      const digest = Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', picture.bytes as BufferSource)).slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
      const location = { bucket, key: `projects/${project}/corrections/${digest}-${picture.name}` };
      await s3.put(location, picture.bytes, picture.type);
      const pixel = (share: number, pixels: number) => Math.min(pixels - 1, Math.max(0, Math.floor(share * pixels)));
      const { Effect } = await client.call('CorrectModel', {
        ProjectName: project,
        ModelVersion: version,
        SourceRef: s3Uri(location),
        IsAnomalous: isAnomalous,
        ...(at ? { Place: { X: pixel(at.x, picture.width), Y: pixel(at.y, picture.height) } } : {}),
      });
      return { sourceRef: s3Uri(location), sentences: [promise(isAnomalous, !!at), ...effectSentences(Effect ?? {})] };
    });
  const takeBack = (sourceRef: string) =>
    change(async () => {
      await client.call('DeleteModelCorrection', { ProjectName: project, ModelVersion: version, SourceRef: sourceRef });
      return undefined;
    });

  return (
    <SpaceBetween size="s">
      {problem && (
        <Alert type="error" header={problem.header}>
          {problem.text}
        </Alert>
      )}
      {done ? (
        <Alert
          type="success"
          header="The model is corrected"
          action={
            <Button loading={busy} onClick={() => void takeBack(done.sourceRef)}>
              Take it back
            </Button>
          }
        >
          {done.sentences.map((sentence) => (
            <div key={sentence}>{sentence}</div>
          ))}
        </Alert>
      ) : isPointing ? (
        <SpaceBetween direction="horizontal" size="xs" alignItems="center">
          <Box>{place ? 'Is this the defect? Click elsewhere to move the mark.' : 'Click on the defect in the picture.'}</Box>
          <Button variant="primary" disabled={!place} loading={busy} onClick={() => void correct(true, place)}>
            This is the defect
          </Button>
          <Button disabled={busy} onClick={() => void correct(true, undefined)}>
            I cannot point at it
          </Button>
          <Button variant="link" disabled={busy} onClick={() => onPoint(false)}>
            Cancel
          </Button>
        </SpaceBetween>
      ) : (
        <SpaceBetween direction="horizontal" size="xs" alignItems="center">
          <Box>Is the model wrong?</Box>
          <ActionButton action="vedette:CorrectModel" loading={busy} onClick={() => (picture.isAnomalous ? void correct(false, undefined) : onPoint(true))}>
            {picture.isAnomalous ? 'This picture is normal' : 'This picture is an anomaly'}
          </ActionButton>
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}
