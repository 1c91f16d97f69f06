// Measures the mask editor in Chromium and prints JSON: how long a picture takes to open, and how busy the page's main thread is
// in each frame of a stroke. Run it with `node bench/editor.mjs` in console/, after `npm ci`.
import { createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';

const root = new URL('..', import.meta.url).pathname;
const outDir = mkdtempSync(join(tmpdir(), 'vedette-editor-bench-'));
const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))];
const round = (value) => Math.round(10 * value) / 10;

/** A port that the system chooses. */
const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** How long the page's main thread was busy in each frame, from a trace: in milliseconds that passed, and of the processor, which other programs do not lengthen. */
function busyPerFrame(events) {
  const main = events.find((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain' && events.some((o) => o.pid === e.pid && o.name === 'FireAnimationFrame'));
  const mine = events.filter((e) => e.pid === main.pid && e.tid === main.tid);
  const frames = mine.filter((e) => e.name === 'BeginMainThreadFrame').map((e) => e.ts).sort((a, b) => a - b);
  const tasks = mine.filter((e) => e.name === 'RunTask' && e.ph === 'X');
  const passed = new Array(Math.max(0, frames.length - 1)).fill(0);
  const processor = [...passed];
  for (const task of tasks) {
    const frame = frames.findLastIndex((start) => start <= task.ts + task.dur);
    if (frame < 0 || frame >= passed.length) continue;
    passed[frame] += task.dur / 1000;
    processor[frame] += (task.tdur ?? 0) / 1000;
  }
  const summary = (values) => ({ p50: round(quantile(values, 0.5)), p95: round(quantile(values, 0.95)), max: round(Math.max(...values)) });
  return { frames: passed.length, ms: summary(passed), processorMs: summary(processor) };
}

async function trace(browser, page, action) {
  await browser.startTracing(page, { categories: ['toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'devtools.timeline.frame', 'disabled-by-default-devtools.timeline.frame'] });
  await action();
  return busyPerFrame(JSON.parse(await browser.stopTracing()).traceEvents);
}

/** A winding stroke across the stage, with several moves of the pointer in each frame. */
async function stroke(page, box) {
  await page.mouse.move(box.x + 60, box.y + box.height / 2);
  await page.mouse.down();
  for (let i = 0; i < 150; ++i) {
    const x = box.x + 60 + (box.width - 120) * Math.abs(((i / 75) % 2) - 1);
    await Promise.all([0, 0.3, 0.6].map((part) => page.mouse.move(x, box.y + box.height * (0.5 + 0.4 * Math.sin((i + part) / 5)))));
  }
  await page.mouse.up();
}

let browser;
let server;
try {
  await build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true, rollupOptions: { input: join(root, 'bench/editor.html') } } });
  server = await preview({ root, logLevel: 'error', build: { outDir }, preview: { port: await freePort() } });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } });
  await page.goto(`${server.resolvedUrls.local[0]}bench/editor.html`);
  await page.waitForFunction(() => document.title === 'ready', null, { timeout: 120_000 });

  const opened = [];
  for (let i = 0; i < 7; ++i) opened.push(await page.evaluate(() => window.openPicture()));
  const box = await page.locator('.editor-stage').boundingBox();
  const strokes = {};
  for (const [name, radius, zoom] of [['fitted, brush of 24 px', 12, 0], ['fitted, brush of 400 px', 200, 0], ['zoomed to 100 %, brush of 60 px', 30, 1]]) {
    await page.evaluate(([size, scale]) => {
      window.editor.fit();
      if (scale) window.editor.zoomBy(scale / window.editor.view.scale);
      window.editor.set({ radius: size });
    }, [radius, zoom]);
    await page.waitForFunction(() => window.editor.isComplete);
    strokes[name] = await trace(browser, page, () => stroke(page, box));
  }
  const suggestion = await trace(browser, page, async () => {
    await page.evaluate(() => window.editor.fit());
    await page.keyboard.press('g');
    for (let i = 0; i < 80; ++i) await page.mouse.wheel(0, i % 40 < 20 ? 100 : -100);
  });
  console.log(
    JSON.stringify(
      {
        picture: '4096 x 3072 JPEG, mask with 200 regions',
        browser: browser.version(),
        openMs: { median: round(quantile(opened, 0.5)), max: round(Math.max(...opened)) },
        mainThreadPerFrame: { ...strokes, 'threshold of a suggestion': suggestion },
      },
      null,
      2,
    ),
  );
} finally {
  await browser?.close();
  await server?.close();
  rmSync(outDir, { recursive: true, force: true });
}
