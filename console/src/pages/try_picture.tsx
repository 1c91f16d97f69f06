// Has a hosted model judge a picture of this computer, and shows the verdict with the mask.
import { useEffect, useRef, useState } from 'react';
import Alert from '@cloudscape-design/components/alert';
import Box from '@cloudscape-design/components/box';
import Button from '@cloudscape-design/components/button';
import Icon from '@cloudscape-design/components/icon';
import KeyValuePairs from '@cloudscape-design/components/key-value-pairs';
import SegmentedControl from '@cloudscape-design/components/segmented-control';
import SpaceBetween from '@cloudscape-design/components/space-between';
import ToggleButton from '@cloudscape-design/components/toggle-button';
import { sentenceOf } from '../api/errors.ts';
import type { DetectAnomalyResult } from '../api/generated.ts';
import { CorrectPicture } from '../corrections/correct_picture.tsx';
import { percent } from '../app/format.ts';
import { pictureLoader } from '../gallery/picture_loader.ts';
import { bindKeys } from '../keys/keys.ts';
import { kLayerNames, nextLayer, type Layer } from '../looks/layers.ts';
import { useLook, useNearest, type Place } from '../looks/look.ts';
import { Marker, Why } from '../looks/why.tsx';
import { base64OfBytes } from '../pictures/base64.ts';
import { decodePicture } from '../pictures/decode.ts';
import { PictureCanvas } from '../pictures/picture_canvas.tsx';
import { overlayOfMask } from '../pictures/overlay.ts';
import { useSession } from '../session/session.tsx';
import { pictureType } from '../upload/folders.ts';

interface Tried {
  name: string;
  /** Tells it from other files, also those of the same name; stays when the model is asked again. */
  file: number;
  /** Tells it from what the model said of the same file before. */
  id: string;
  /** The file in base64, to ask the model again. */
  image: string;
  picture: ImageBitmap;
  mask: ImageBitmap | null;
  result: DetectAnomalyResult;
  milliseconds: number;
  type: string;
  bytes: Uint8Array<ArrayBuffer>;
}

const kLayers: readonly Layer[] = ['picture', 'heat', 'predicted'];
let files = 0;
let tries = 0;

export function TryPicture({ project, version }: { project: string; version: string }) {
  const { client } = useSession();
  const input = useRef<HTMLInputElement>(null);
  const [dragging, setDragging] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<{ name: string; sentence: string }>();
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
    // What was said of another picture must not stand below the name of this one.
    setTried(undefined);
    await judgeBytes(++files, file.name, async () => new Uint8Array(await file.arrayBuffer()));
  }

  async function judgeBytes(file: number, name: string, read: () => Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>) {
    setBusy(true);
    setProblem(undefined);
    try {
      const bytes = await read();
      const type = pictureType(bytes);
      if (!type) throw new Error('This is neither a PNG nor a JPEG file.');
      const start = performance.now();
      const { DetectAnomalyResult: result } = await client.call('DetectAnomalies', { ProjectName: project, ModelVersion: version, ContentType: type, Body: bytes });
      const milliseconds = performance.now() - start;
      const picture = await decodePicture(bytes);
      const mask = result?.AnomalyMask ? await overlayOfMask(result.AnomalyMask) : null;
      setTried({ name, file, id: `try ${++tries}`, image: base64OfBytes(bytes), picture, mask, result: result!, milliseconds, type, bytes });
    } catch (error) {
      setProblem({ name, sentence: sentenceOf(error) });
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
          <Box color="text-body-secondary">Drop a picture here. It is judged and forgotten; it is only stored if you correct the model with it.</Box>
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
        <Alert type="error" header={`${problem.name} was not judged`}>
          {problem.sentence}
        </Alert>
      )}
      {tried && (
        <SpaceBetween size="s">
          <Box variant="h2" color={tried.result.IsAnomalous ? 'text-status-error' : 'text-status-success'}>
            <Icon size="inherit" name={tried.result.IsAnomalous ? 'status-negative' : 'status-positive'} /> {tried.result.IsAnomalous ? 'Anomaly' : 'Normal'}
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
          <TriedPicture key={tried.file} project={project} version={version} tried={tried} onChanged={() => judgeBytes(tried.file, tried.name, () => tried.bytes)} />
        </SpaceBetween>
      )}
    </SpaceBetween>
  );
}

/** The picture with what the model sees in it, and why. */
function TriedPicture({ project, version, tried, onChanged }: { project: string; version: string; tried: Tried; onChanged(): Promise<void> }) {
  const { s3, may } = useSession();
  const canLook = may('vedette:ComputeAnomalyMap');
  const canAsk = canLook && may('vedette:FindNearestPatch');
  const layers = kLayers.filter((layer) => (layer === 'heat' ? canLook : layer !== 'predicted' || tried.mask));
  // Where the model sees a defect is what people look for first.
  const [wanted, setLayer] = useState<Layer>(tried.mask ? 'predicted' : canLook && tried.result.IsAnomalous ? 'heat' : 'picture');
  // A correction may turn the verdict, and the mask goes with it.
  const layer = layers.includes(wanted) ? wanted : 'picture';
  const [asks, setAsks] = useState(false);
  const [clicked, setClicked] = useState<Place>();
  const [isPointing, setPointing] = useState(false);
  const [pointed, setPointed] = useState<Place>();
  const looking = { project, version };
  const looked = { image: tried.image, name: tried.id };
  const look = useLook(looking, looked, canLook && (asks || layer === 'heat'));
  const nearest = useNearest(looking, looked, asks ? (clicked ?? look.data?.hottest) : undefined, tried.picture);
  bindKeys('look', { layer: () => setLayer(nextLayer(layers, layer)), ...(canAsk && { why: () => setAsks(!asks) }) });
  const overlay = layer === 'heat' ? look.data?.heat : layer === 'predicted' ? tried.mask : null;
  const area = asks ? nearest.data?.area : undefined;
  return (
    <SpaceBetween size="s">
      <CorrectPicture
        project={project}
        version={version}
        picture={{ ...tried, width: tried.picture.width, height: tried.picture.height, isAnomalous: tried.result.IsAnomalous ?? false }}
        place={pointed}
        isPointing={isPointing}
        onPoint={(points) => {
          setPointing(points);
          setPointed(undefined);
          if (points) setLayer('picture');
        }}
        onChanged={onChanged}
      />
      <SpaceBetween direction="horizontal" size="xs" alignItems="center">
        <SegmentedControl
          label="What lies over the picture (H)"
          selectedId={layer}
          options={layers.map((id) => ({ id, text: kLayerNames[id] }))}
          onChange={({ detail }) => setLayer(detail.selectedId as Layer)}
        />
        {canAsk && (
          <ToggleButton pressed={asks} onChange={({ detail }) => setAsks(detail.pressed)}>
            Why (W)
          </ToggleButton>
        )}
        {layer === 'heat' && (
          <Box color="text-body-secondary">
            {look.error ? sentenceOf(look.error) : look.isPending ? 'The model is looking at the picture.' : 'Yellow is where the masks of the model begin, red is far above.'}
          </Box>
        )}
      </SpaceBetween>
      <div className="look-body">
        <div
          className={asks || isPointing ? 'look-frame is-asked' : 'look-frame'}
          onClick={(event) => {
            if (!asks && !isPointing) return;
            const box = event.currentTarget.getBoundingClientRect();
            (isPointing ? setPointed : setClicked)({ x: (event.clientX - box.x) / box.width, y: (event.clientY - box.y) / box.height });
          }}
        >
          <PictureCanvas picture={tried.picture} overlay={overlay} label={layer === 'picture' ? tried.name : `${tried.name} with ${layer === 'heat' ? 'the heat map' : 'the areas that the model marks'}`} />
          {area && !isPointing && <Marker area={area} picture={tried.picture} />}
          {isPointing && pointed && <Marker area={areaAround(pointed, tried.picture)} picture={tried.picture} />}
        </div>
        {asks && <Why picture={tried.picture} nearest={nearest.data} error={look.error ?? nearest.error} loadPicture={pictureLoader(s3)} />}
      </div>
    </SpaceBetween>
  );
}

/** A square around a place, an eighth of the picture's shorter side. */
function areaAround(place: Place, { width, height }: ImageBitmap) {
  const side = Math.min(width, height) / 8;
  return { Left: place.x * width - side / 2, Top: place.y * height - side / 2, Width: side, Height: side };
}
