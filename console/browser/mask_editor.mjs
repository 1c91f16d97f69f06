// Draws masks as a person does: node mask_editor.mjs PROJECT WIDTH HEIGHT ADDRESS ADDRESS ADDRESS. The pictures at the addresses
// (s3://…) are in the training dataset of the project and have WIDTH × HEIGHT pixels. After each step the script writes a line
// `CHECK name` and waits for a line on its standard input, so that whoever started it can ask the server what it now holds.
import { createInterface } from 'node:readline';
import { endpoint, openBrowser, openPage, signIn } from './lib.mjs';

const [project, width, height, turned, coloured, plain] = process.argv.slice(2);
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function check(name) {
  console.log(`CHECK ${name}`);
  if ((await answers.next()).done) throw new Error(`Nobody answered the check ${name}.`);
}

/** Opens a picture and returns where its pixels lie on the page: the editor fits it into its stage. */
async function open(page, sourceRef) {
  await page.goto(`${endpoint}/console/#/projects/${project}/dataset/train/draw/${encodeURIComponent(encodeURIComponent(sourceRef))}`);
  await page.getByRole('heading', { level: 1, name: sourceRef.split('/').pop() }).waitFor();
  await page.getByRole('toolbar', { name: 'Drawing tools' }).waitFor();
  return place(page);
}

async function place(page) {
  const box = await page.getByRole('application').boundingBox();
  const scale = 0.97 * Math.min(box.width / width, box.height / height);
  return (x, y) => [box.x + box.width / 2 + scale * (x - width / 2), box.y + box.height / 2 + scale * (y - height / 2)];
}

async function stroke(page, at, [x0, y0], [x1, y1]) {
  await page.mouse.move(...at(x0, y0));
  await page.mouse.down();
  await page.mouse.move(...at(x1, y1), { steps: 8 });
  await page.mouse.up();
}

const drafts = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const asked = indexedDB.open('vedette-console');
        asked.onerror = () => reject(asked.error);
        asked.onsuccess = () => {
          const count = asked.result.transaction('drafts').objectStore('drafts').count(IDBKeyRange.bound(['masks'], ['masks', []]));
          count.onsuccess = () => {
            asked.result.close();
            resolve(count.result);
          };
        };
      }),
  );

async function submit(page) {
  await page.getByRole('button', { name: 'Submit and close' }).click();
  await page.getByRole('grid').waitFor();
}

const browser = await openBrowser();
const { page, context, problems } = await openPage(browser);
process.on('uncaughtException', (error) => {
  console.error(error);
  process.exit(1);
});
await signIn(page);

// The picture's file says that it is to be turned. It is drawn on the grid of its pixels all the same.
let at = await open(page, turned);
await stroke(page, at, [100, 60], [200, 60]);
await page.keyboard.press('Control+z');
await page.keyboard.press('Control+Shift+z');
await submit(page);
await check('turned');

// The mask's file names a gamma and primaries. Its colours stay, and more is drawn beside them.
at = await open(page, coloured);
await stroke(page, at, [400, 300], [450, 300]);
await page.keyboard.press('Control+s');
await check('coloured');

// The tab dies. The mask is found when the picture is opened again.
at = await open(page, plain);
await stroke(page, at, [300, 200], [380, 200]);
while ((await drafts(page)) === 0) await page.waitForTimeout(50);
const dead = new Promise((resolve) => page.on('crash', resolve));
void (await context.newCDPSession(page)).send('Page.crash').catch(() => {});
await dead;
const next = await context.newPage();
at = await open(next, plain);
await next.getByText(/A draft of .* was found/).waitFor();
await next.getByRole('button', { name: 'Keep' }).click();
await submit(next);
await check('draft');
if ((await drafts(next)) !== 0) throw new Error('A mask that was saved is kept as a draft.');

await browser.close();
if (problems.length) throw new Error(`The page had problems: ${problems.join('\n')}`);
process.exit(); // The standard input is still open.
