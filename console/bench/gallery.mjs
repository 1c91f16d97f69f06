// Measures the gallery with 16,000 pictures: `node bench/gallery.mjs` prints one JSON object.
//   usable_ms                from the call that shows the gallery until the first screen shows all of its thumbnails; page_ms from the
//                            beginning of the navigation, with the load of the page and the making of the test pictures
//   drag                     the scroll thumb is dragged with the mouse from top to bottom in 2 s; a tile is blank in a frame if it
//                            has been on the screen for more than 300 ms and shows no thumbnail, and a frame is bare if a part of
//                            the screen has no tile at all
//   heap_mb                  the most JavaScript heap that was seen
//   label_100_ms             100 pictures are labelled by key events, one after the other
//   processor_ms             the processor time of the page, which a busy machine changes less than the times by the clock
import { createServer } from 'node:http';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const root = new URL('..', import.meta.url).pathname;
const { outputFiles } = await build({
  entryPoints: [`${root}bench/gallery_page.tsx`],
  bundle: true,
  minify: true,
  format: 'esm',
  jsx: 'automatic',
  outdir: '/',
  write: false,
  define: { 'process.env.NODE_ENV': '"production"', 'import.meta.env.BASE_URL': '"/"' },
  loader: { '.woff2': 'dataurl' },
  logLevel: 'warning',
});
const files = new Map(outputFiles.map((file) => [`/${file.path.split('/').pop()}`, file]));
const page = '<!doctype html><meta charset="utf-8"><title>Gallery</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/gallery_page.css"><div id="root"></div><script type="module" src="/gallery_page.js"></script>';
// The same rules as in the product: nothing inline, nothing foreign.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self' data:; connect-src 'self'";
const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  const file = files.get(path);
  const type = path.endsWith('.js') ? 'text/javascript' : path.endsWith('.css') ? 'text/css' : 'text/html';
  response.writeHead(file || path === '/' ? 200 : 404, { 'content-type': type, 'content-security-policy': policy });
  response.end(file ? file.contents : path === '/' ? page : '');
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${server.address().port}/`;

/** Runs in the page: watches each frame until `stop()` is called. */
function watch() {
  const scroller = document.querySelector('.gallery-scroller');
  const since = new Map();
  const seen = { frames: 0, blank_tiles: 0, bare_frames: 0, waiting_tiles: 0, tiles: 0, longest_frame_ms: 0 };
  let isOn = true;
  let last;
  const look = (now) => {
    if (!isOn) return;
    if (last !== undefined) seen.longest_frame_ms = Math.max(seen.longest_frame_ms, Math.round(now - last));
    last = now;
    seen.frames++;
    const box = scroller.getBoundingClientRect();
    const present = new Set();
    for (const tile of scroller.querySelectorAll('.gallery-tile')) {
      const { top, bottom, height } = tile.getBoundingClientRect();
      if (!height || bottom < box.top || top > box.bottom) continue;
      seen.tiles++;
      if (tile.querySelector('img')) continue;
      seen.waiting_tiles++;
      present.add(tile.id);
      if (!since.has(tile.id)) since.set(tile.id, now);
      if (now - since.get(tile.id) > 300) seen.blank_tiles++;
    }
    for (const id of since.keys()) if (!present.has(id)) since.delete(id);
    const hits = [0.25, 0.5, 0.75].map((part) => document.elementFromPoint(box.left + 60, box.top + box.height * part));
    if (!hits.every((hit) => hit?.closest('.gallery-row'))) seen.bare_frames++;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
  window.stop = () => {
    isOn = false;
    return seen;
  };
}

/** Where the scroll thumb is, below the arrow at its top. */
const kThumb = 22;

const browser = await chromium.launch({ executablePath: process.env.VEDETTE_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'], ignoreDefaultArgs: ['--hide-scrollbars'] });
try {
  const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const problems = [];
  tab.on('pageerror', (error) => problems.push(String(error)));
  tab.on('console', (message) => message.type() === 'error' && !message.text().includes('favicon') && problems.push(message.text()));
  const cdp = await tab.context().newCDPSession(tab);
  await cdp.send('Performance.enable');
  let heap = 0;
  /** Notes the heap, and returns the processor time that the page has used, in milliseconds. */
  const measure = async () => {
    const { metrics } = await cdp.send('Performance.getMetrics');
    const of = (wanted) => metrics.find(({ name }) => name === wanted).value;
    heap = Math.max(heap, of('JSHeapUsedSize'));
    return Math.round(1000 * of('ProcessTime'));
  };
  await tab.goto(address);
  const usable = await tab.waitForFunction(() => {
    const scroller = document.querySelector('.gallery-scroller');
    const tiles = [...(scroller?.querySelectorAll('.gallery-tile') ?? [])].filter((tile) => tile.getBoundingClientRect().top < scroller.getBoundingClientRect().bottom);
    return tiles.length > 0 && tiles.every((tile) => tile.querySelector('img')) && [performance.now() - performance.getEntriesByName('begin')[0].startTime, performance.now()];
  });
  const [usableMs, pageMs] = (await usable.jsonValue()).map(Math.round);
  await tab.waitForFunction(() => performance.getEntriesByName('listed').length > 0);
  const listed = await tab.evaluate(() => performance.getEntriesByName('listed')[0].startTime - performance.getEntriesByName('begin')[0].startTime);
  const beforeDrag = await measure();

  const box = await tab.locator('.gallery-scroller').boundingBox();
  const x = box.x + box.width - 8;
  await tab.mouse.move(x, box.y + kThumb);
  await tab.mouse.down();
  await tab.evaluate(watch);
  const began = performance.now();
  for (let part = 0; part < 1; part = Math.min(1, (performance.now() - began) / 2000)) await tab.mouse.move(x, box.y + kThumb + part * (box.height - kThumb));
  await tab.mouse.move(x, box.y + box.height);
  await measure();
  const dragMs = Math.round(performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const drag = await tab.evaluate(() => window.stop());
  const afterDrag = await measure();
  await tab.mouse.up();
  const reached = await tab.evaluate(() => {
    const scroller = document.querySelector('.gallery-scroller');
    return (scroller.scrollTop + scroller.clientHeight) / scroller.scrollHeight;
  });

  await tab.locator('.gallery-scroller').focus();
  await tab.keyboard.press('Home');
  const labelled = await tab.evaluate(() => performance.now());
  for (let i = 0; i < 100; i++) await tab.keyboard.press(i % 4 ? 'n' : 'a');
  await tab.waitForFunction(() => window.model.labels.counts().edited === 100);
  const label = Math.round((await tab.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now()))))) - labelled);
  const afterLabels = await measure();
  console.log(
    JSON.stringify({
      pictures: 16_000,
      usable_ms: usableMs,
      page_ms: pageMs,
      all_listed_ms: Math.round(listed),
      drag: { milliseconds: dragMs, processor_ms: afterDrag - beforeDrag, reached: Number(reached.toFixed(3)), ...drag },
      label_100_ms: label,
      label_100_processor_ms: afterLabels - afterDrag,
      heap_mb: Math.round(heap / 1e6),
      dom_tiles: await tab.locator('.gallery-tile').count(),
      problems,
    }),
  );
} finally {
  await browser.close();
  server.close();
}
