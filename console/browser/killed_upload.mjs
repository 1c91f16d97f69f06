// Kills the tab in the middle of an upload and goes on in another one: node killed_upload.mjs FOLDER PROJECT. Prints how many
// pictures the first tab had sent when it was killed.
import { openBrowser, openPage, endpoint, setUpBucket, signIn } from './lib.mjs';

const [folder, project] = process.argv.slice(2);
const browser = await openBrowser();
const { page, context, problems } = await openPage(browser);
await signIn(page);
const address = `${endpoint}/console/#/projects/${project}/create-dataset`;
const choose = async (tab) => {
  await tab.locator('input[type=file][webkitdirectory]').setInputFiles(folder);
  await tab.getByRole('button', { name: /^Upload [\d,]+ pictures$/ }).click();
};

// Two packs of pictures get through, and the others are on their way until the tab dies.
let packs = 0;
await page.route(/\/projects\/.*\.tar$/, async (route) => {
  if (++packs <= 2) await route.continue();
});
await page.goto(address);
await choose(page);
const progress = page.getByText(/^[\d,]+ of [\d,]+ pictures/);
await setUpBucket(page, progress);
for (;;) {
  const sent = Number.parseInt(await progress.textContent(), 10);
  if (sent >= 128) {
    console.log(JSON.stringify({ sent }));
    break;
  }
}
await page.close({ runBeforeUnload: false });

// The next tab is still signed in, and tells of the upload.
const next = await context.newPage();
next.on('pageerror', (error) => problems.push(String(error)));
await next.goto(address);
await next.getByText('An upload was interrupted').waitFor();
await choose(next);
await next.waitForURL(/dataset\/train/);
await next.getByRole('gridcell').first().waitFor();
await next.goto(address);
await next.getByText('This project has a training dataset.').waitFor();
await browser.close();
if (problems.length) throw new Error(`The page had problems: ${problems.join('\n')}`);
