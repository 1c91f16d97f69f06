// The mask editor without a server, for bench/editor.mjs and for trying it: a drawn picture with 200 marked regions. It is no
// part of the product's bundle.
import '@cloudscape-design/global-styles/index.css';
import '../src/app/console.css';
import { applyMode, Mode } from '@cloudscape-design/global-styles';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { kSettings, type Editor, type EditorSettings } from '../src/editor/editor.ts';
import { MaskEditor, useEditorState } from '../src/editor/mask_editor.tsx';
import { LabelPanel, ViewPanel } from '../src/editor/panels.tsx';
import { PictureThread } from '../src/editor/picture_thread.ts';
import { Plane } from '../src/editor/plane.ts';
import { paintCapsule } from '../src/editor/shapes.ts';
import { Suggestion } from '../src/editor/suggestion.ts';
import { KeysHelp } from '../src/keys/keys_help.tsx';
import { kPalette, type Label } from '../src/labels/colours.ts';
import { encodeMask } from '../src/pictures/mask.ts';

const query = new URLSearchParams(location.search);
const width = Number(query.get('width') ?? 4096);
const height = Number(query.get('height') ?? 3072);
const regions = Number(query.get('regions') ?? 200);
applyMode(query.has('dark') ? Mode.Dark : Mode.Light);

let state = 12345;
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;

/** A brushed plate with holes and scratches, as JPEG. */
async function drawPicture(): Promise<Uint8Array<ArrayBuffer>> {
  const canvas = new OffscreenCanvas(width, height);
  const c = canvas.getContext('2d')!;
  const ground = c.createLinearGradient(0, 0, width, height);
  ground.addColorStop(0, '#5d6670');
  ground.addColorStop(0.6, '#aab0b6');
  ground.addColorStop(1, '#7c8288');
  c.fillStyle = ground;
  c.fillRect(0, 0, width, height);
  for (let i = 0; i < 9000; ++i) {
    c.fillStyle = `rgba(${random() < 0.5 ? '255,255,255' : '0,0,0'},0.04)`;
    c.fillRect(random() * width, random() * height, 300 + random() * 900, 1 + random() * 2);
  }
  for (let i = 0; i < 60; ++i) {
    c.fillStyle = '#2c3036';
    c.beginPath();
    c.arc(((i % 10) + 0.5) * (width / 10), (Math.floor(i / 10) + 0.5) * (height / 6), height / 40, 0, 7);
    c.fill();
  }
  c.strokeStyle = '#e8ecef';
  for (let i = 0; i < 30; ++i) {
    c.lineWidth = 1 + random() * 6;
    c.beginPath();
    const x = random() * width;
    const y = random() * height;
    c.moveTo(x, y);
    c.quadraticCurveTo(x + 200, y + random() * 200, x + 100 + random() * 500, y + random() * 300);
    c.stroke();
  }
  return new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 })).arrayBuffer());
}

const labels: Label[] = ['scratch', 'dent', 'stain', 'crack'].map((name, i) => ({ name, colour: kPalette[i]! }));

async function drawMask() {
  const plane = new Plane(width, height);
  for (let i = 0; i < regions; ++i) {
    let at = { x: random() * width, y: random() * height };
    for (let k = 0; k < 6; ++k) {
      const to = { x: at.x + (random() - 0.5) * 160, y: at.y + (random() - 0.5) * 160 };
      paintCapsule(plane, at, to, 4 + random() * 14, 1 + (i % labels.length));
      at = to;
    }
  }
  return (await encodeMask(plane, labels)).png;
}

/** A soft spot in the middle, as a model's map has it. */
function drawMap() {
  const values = new Uint8Array(80 * 60);
  for (let y = 0; y < 60; ++y) for (let x = 0; x < 80; ++x) values[y * 80 + x] = 255 * Math.exp(-((x - 44) ** 2 + 2 * (y - 27) ** 2) / 160);
  return { width: 80, height: 60, values };
}

const nothing = () => {};

function Page({ thread, plane }: { thread: PictureThread; plane: Plane }) {
  const [editor, setEditor] = useState<Editor | null>(null);
  const [settings] = useState<EditorSettings>(kSettings);
  const state = useEditorState(editor);
  (window as unknown as { editor: Editor | null }).editor = editor;
  const suggest = () => editor?.suggest(new Suggestion(drawMap(), 128, plane));
  return (
    <div className="draw-frame">
    <div className="draw-page">
      <MaskEditor
        plane={plane}
        thread={thread}
        labels={labels}
        settings={settings}
        name="plate.jpg"
        actions={{ save: nothing, saveAndNext: nothing, previous: nothing, next: nothing, leave: nothing, repeat: nothing, suggest }}
        onEditor={setEditor}
      />
      {editor && state && (
        <div className="draw-panels">
          <LabelPanel editor={editor} labels={labels} chosen={state.label} onAdd={nothing} />
          <ViewPanel editor={editor} filters={state.filters} opacity={state.opacity} />
        </div>
      )}
      <KeysHelp />
    </div>
    </div>
  );
}

const root = createRoot(document.getElementById('root')!);
const thread = new PictureThread();
const maskThread = new PictureThread();
const picture = await drawPicture();
const mask = await drawMask();

/** Opens the picture and its mask as the page does, and answers the milliseconds until the picture is drawn sharply. */
async function open(): Promise<number> {
  const start = performance.now();
  const [size, read] = await Promise.all([thread.call('open', [picture.slice()]), maskThread.call('readMask', [mask.slice(), labels])]);
  root.render(<Page key={start} thread={thread} plane={new Plane(size.width, size.height, read.data)} />);
  const bench = window as unknown as { editor: Editor | null };
  const before = bench.editor;
  return new Promise((resolve) => {
    const look = () => (bench.editor && bench.editor !== before && bench.editor.isComplete ? requestAnimationFrame(() => resolve(performance.now() - start)) : requestAnimationFrame(look));
    look();
  });
}
Object.assign(window, { openPicture: open, pictureBytes: picture, maskBytes: mask });
await open();
document.title = 'ready';
