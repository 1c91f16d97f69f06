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

// Two packs of pictures get through, and the others are on their way until the tab dies. One that a busy server refuses is tried again.
const isPack = (request) => /\/projects\/.*\.tar$/.test(request.url());
let free = 2;
await page.route(/\/projects\/.*\.tar$/, async (route) => {
  if (free === 0) return;
  free -= 1;
  await route.continue();
});
page.on('response', (response) => (free += isPack(response.request()) && !response.ok() ? 1 : 0));
page.on('requestfailed', (request) => (free += isPack(request) ? 1 : 0));
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
await next.waitForURL(/dataset\/train/, { timeout: 240_000 });
await next.getByRole('gridcell').first().waitFor({ timeout: 60_000 });
await next.goto(address);
await next.getByText('This project has a training dataset.').waitFor();
await browser.close();
if (problems.length) throw new Error(`The page had problems: ${problems.join('\n')}`);
