// The page that bench/gallery.mjs measures: a gallery of pictures that exist nowhere. It is no part of the console.
import '@cloudscape-design/global-styles/index.css';
import { createRoot } from 'react-dom/client';
import { Gallery } from '../src/gallery/gallery.tsx';
import { GalleryModel } from '../src/gallery/model.ts';
import { kAnomaly, kNormal, kUnlabelled, type GalleryRow, type GallerySource, type Thumbnail } from '../src/gallery/rows.ts';

const parameters = new URLSearchParams(location.search);
const kRows = Number(parameters.get('rows') ?? 16_000);
/** What a server on the same network needs for a pack. */
const kLatency = Number(parameters.get('latency') ?? 25);
const kShapes = 64;

const later = <T,>(value: () => T, signal: AbortSignal) =>
  new Promise<T>((resolve, reject) => {
    setTimeout(() => resolve(value()), kLatency);
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

/** A machined part with a scratch, of some 5 kB as a JPEG. */
async function picture(seed: number, width: number, height: number): Promise<Blob> {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d')!;
  let state = seed * 2654435761 + 1;
  const random = () => (state = (state * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const scale = width / 160;
  context.scale(scale, scale);
  context.fillStyle = `hsl(${210 + random() * 20} 8% ${22 + random() * 8}%)`;
  context.fillRect(0, 0, 160, 120);
  const gradient = context.createRadialGradient(60, 45, 4, 80, 60, 56);
  gradient.addColorStop(0, '#d9dcdf');
  gradient.addColorStop(1, '#70777d');
  context.fillStyle = gradient;
  context.beginPath();
  context.arc(80 + random() * 6, 60 + random() * 6, 48, 0, 7);
  context.fill();
  context.fillStyle = '#2d3238';
  context.beginPath();
  context.arc(82, 62, 15, 0, 7);
  context.fill();
  context.strokeStyle = seed % 3 ? 'rgb(255 255 255 / 12%)' : '#2b1d14';
  for (let i = 0; i < 5; i++) {
    context.beginPath();
    context.moveTo(40 + random() * 80, 25 + random() * 70);
    context.lineTo(40 + random() * 80, 25 + random() * 70);
    context.stroke();
  }
  context.globalAlpha = 0.1;
  for (let i = 0; i < 1500; i++) {
    context.fillStyle = random() < 0.5 ? '#000' : '#fff';
    context.fillRect(random() * 160, random() * 120, 1, 1);
  }
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob!), 'image/jpeg', 0.8));
}

/** A JPEG that no other picture shares with this one: bytes after its end are ignored. */
const ownCopy = (jpeg: string, name: string) => jpeg.replace(/=+$/, '').slice(0, -(jpeg.replace(/=+$/, '').length % 4) || undefined) + btoa(name);

async function main() {
  const shapes = await Promise.all(Array.from({ length: kShapes }, (_, seed) => picture(seed, 160, 120)));
  const jpegs = await Promise.all(
    shapes.map(async (shape) => btoa(Array.from(new Uint8Array(await shape.arrayBuffer()), (byte) => String.fromCharCode(byte)).join(''))),
  );
  const isJudged = parameters.has('judged');
  const rowOf = (number: number): GalleryRow => {
    const name = `flange_${String(number + 1).padStart(5, '0')}.jpg`;
    const isBad = number % 3 === 0;
    const label = parameters.has('labelled') && number % 5 ? (isBad ? kAnomaly : kNormal) : kUnlabelled;
    const verdict = isBad !== (number % 17 === 0) ? kAnomaly : kNormal;
    return {
      sourceRef: `s3://bench/line7/${name}`,
      name,
      label,
      anomalyLabels: label === kAnomaly ? [number % 2 ? 'scratch' : 'dent'] : [],
      date: 1.7e12 + number * 1000,
      ...(isJudged && { verdict, confidence: 0.5 + (number % 50) / 100, score: number % 100, isCorrect: label ? verdict === label : undefined }),
    };
  };
  const source: GallerySource = {
    list: (offset, count, signal) =>
      later(() => ({ total: kRows, rows: Array.from({ length: Math.max(0, Math.min(count, kRows - offset)) }, (_, i) => rowOf(offset + i)) }), signal),
    // A text of its own for each, as if it came from the network.
    thumbnails: (sourceRefs, signal) =>
      later(
        () => sourceRefs.map((sourceRef): Thumbnail => ({ sourceRef, jpeg: ownCopy(jpegs[Number(/(\d+)\.jpg$/.exec(sourceRef)![1]) % kShapes]!, sourceRef) })),
        signal,
      ),
  };
  const model = new GalleryModel(source);
  Object.assign(window, { model });
  performance.mark('begin');
  createRoot(document.getElementById('root')!).render(
    <main className="bench">
      <Gallery
        model={model}
        name="Pictures"
        canLabel
        loadPicture={async (sourceRef) => createImageBitmap(await picture(Number(/(\d+)\.jpg$/.exec(sourceRef)![1]), 1280, 960))}
        empty="Nothing"
      />
    </main>,
  );
  await model.load();
  performance.mark('listed');
}

void main();
