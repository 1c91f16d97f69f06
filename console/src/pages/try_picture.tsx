// Has a hosted model judge a picture of this computer, and shows the verdict with the mask.
import { useEffect, useRef, useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import SpaceBetween from '@cloudscape-design/components/space-between';
import StatusIndicator from '@cloudscape-design/components/status-indicator';
import { sentenceOf } from '../api/errors.ts';
import type { DetectAnomalyResult } from '../api/generated.ts';
import { percent } from '../app/format.ts';
import { decodePicture } from '../pictures/decode.ts';
import { PictureCanvas } from '../pictures/picture_canvas.tsx';
import { overlayOfMask } from '../pictures/overlay.ts';
import { useSession } from '../session/session.tsx';
import { pictureType } from '../upload/folders.ts';

interface Tried {
  name: string;
  picture: ImageBitmap;
  mask: ImageBitmap | null;
  result: DetectAnomalyResult;
  milliseconds: number;
}

export function TryPicture({ project, version }: { project: string; version: string }) {
  const { client } = useSession();
  const input = useRef<HTMLInputElement>(null);
  const [dragging, setDragging] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [tried, setTried] = useState<Tried>();
  useEffect(
    () => () => {
      tried?.picture.close();
      tried?.mask?.close();
    },
    [tried],
  );

  async function judge(file: File | undefined) {
    if (!file) return;
    setBusy(true);
    setProblem(undefined);
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const type = pictureType(bytes);
      if (!type) throw new Error('This is neither a PNG nor a JPEG file.');
      const start = performance.now();
      const { DetectAnomalyResult: result } = await client.call('DetectAnomalies', { ProjectName: project, ModelVersion: version, ContentType: type, Body: bytes });
      const milliseconds = performance.now() - start;
      const picture = await decodePicture(bytes);
      const mask = result?.AnomalyMask ? await overlayOfMask(result.AnomalyMask) : null;
      setTried({ name: file.name, picture, mask, result: result!, milliseconds });
    } catch (error) {
      setProblem(sentenceOf(error));
    }
    setBusy(false);
  }

  const found = tried?.result.Anomalies?.filter(({ Name }) => Name !== 'background') ?? [];
  return (
    <SpaceBetween size="m">
      <div
        className={`drop-zone${dragging ? ' dragging' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setDragging(true);
        }}
        onDragLeave={() => setDragging(false)}
        onDrop={(event) => {
          event.preventDefault();
          setDragging(false);
          void judge(event.dataTransfer.files[0]);
        }}
      >
        <SpaceBetween size="xs" alignItems="center">
          <Box color="text-body-secondary">Drop a picture here. It is judged and forgotten; nothing is stored.</Box>
          <Button iconName="file" loading={busy} onClick={() => input.current?.click()}>
            Choose a picture
          </Button>
        </SpaceBetween>
        <input
          ref={input}
          type="file"
          hidden
          aria-label="Picture to try"
          accept="image/png,image/jpeg"
          onChange={(event) => {
            void judge(event.target.files?.[0]);
            event.target.value = '';
          }}
        />
      </div>
      {problem && (
        <Alert type="error" header="The picture was not judged">
          {problem}
        </Alert>
      )}
      {tried && (
        <SpaceBetween size="s">
          <Box variant="h3">
            <StatusIndicator type={tried.result.IsAnomalous ? 'error' : 'success'}>{tried.result.IsAnomalous ? 'Anomaly' : 'Normal'}</StatusIndicator>
          </Box>
          <KeyValuePairs
            columns={3}
            items={[
              { label: 'Picture', value: tried.name },
              { label: 'Confidence', value: percent(tried.result.Confidence) },
              { label: 'Answered in', value: `${tried.milliseconds.toFixed(0)} ms` },
              ...found.map(({ Name, PixelAnomaly }) => ({ label: Name ?? '', value: `${percent(PixelAnomaly?.TotalPercentageArea, 2)} of the picture` })),
            ]}
          />
          <PictureCanvas picture={tried.picture} overlay={tried.mask} label={`${tried.name} with the areas that the model marks`} />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}
