// Does the whole job in the console as a person does it: node main_job.mjs FOLDER. The folder holds `good/`, `bad/` and
// `unsorted/` with pictures below `pictures/`, pictures for a trial in `trial/`, and the file `try.jpg`. After each step the script
// writes a line `CHECK name` and waits for a line on its standard input, so that whoever started it can ask the server what it
// now holds.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openBrowser, openPage, seriousFindings, setUpBucket, signIn } from './lib.mjs';

const folder = process.argv[2];
const picture = join(folder, 'try.jpg');
const trial = readdirSync(join(folder, 'trial')).map((name) => join(folder, 'trial', name));
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const shots = process.env.SCREENSHOTS;
let shot = 0;

async function check(page, name) {
  if (shots) await page.waitForTimeout(500); // until nothing moves
  if (shots) await page.screenshot({ path: join(shots, `${String(++shot).padStart(2, '0')}-${name}.png`) });
  for (const finding of await seriousFindings(page)) problems.push(`${name}: ${finding}`);
  console.log(`CHECK ${name}`);
  if ((await answers.next()).done) throw new Error(`Nobody answered the check ${name}.`);
}

const browser = await openBrowser();
const { page, problems } = await openPage(browser, shots ? { viewport: { width: 1280, height: 1000 } } : {});
process.on('uncaughtException', async (error) => {
  console.error(error);
  if (shots) await page.screenshot({ path: join(shots, 'failure.png') });
  process.exit(1);
});
const button = (name) => page.getByRole('button', { name, exact: true });
const project = 'flanges';

await signIn(page);
await check(page, 'signed-in');

// A project.
await button('Create project').first().click();
await page.getByLabel('Project name').fill(project);
await page.getByRole('dialog').getByRole('button', { name: 'Create project' }).click();
await page.getByRole('heading', { name: project, level: 1 }).waitFor();
await check(page, 'project');

// Its pictures, with labels from the names of folders.
await button('Create dataset').click();
await page.locator('input[type=file][webkitdirectory]').setInputFiles(join(folder, 'pictures'));
await page.getByText('pictures/unsorted', { exact: true }).waitFor();
await check(page, 'folders');
await page.getByRole('button', { name: /^Upload \d+ pictures$/ }).click();
await setUpBucket(page, page.getByRole('gridcell'));
await page.waitForURL(/dataset\/train/);
await page.getByRole('gridcell').first().waitFor();
await check(page, 'uploaded');

// Labels by keyboard: the unlabelled pictures are those of the folder `unsorted`, whose names tell what they are.
await page.getByRole('button', { name: /All pictures/ }).click();
await page.getByRole('option', { name: /^Unlabelled/ }).click();
const grid = page.getByRole('grid');
await page.getByRole('gridcell', { name: /anomaly-13/ }).waitFor();
await grid.focus();
await page.keyboard.press('Home');
for (const key of ['a', 'a', 'a', 'n', 'n']) await page.keyboard.press(key);
await page.keyboard.press('n');
await page.keyboard.press('u'); // One too quick: it is taken back, and given again.
await page.keyboard.press('n');
await page.getByRole('button', { name: /^Save/ }).click();
// A bar stands in the place of the button while the labels are sent.
await page.getByRole('button', { name: /^Save/ }).waitFor({ state: 'detached' });
await page.locator('.dataset-saving').waitFor({ state: 'detached' });
await check(page, 'labelled');

// The doctor finds that a good picture lies among the bad ones, too, and the person keeps the good one.
await page.getByRole('link', { name: 'Dataset doctor' }).click();
await button('Check the dataset').click();
await page.getByRole('list', { name: 'Copies with different labels' }).waitFor({ timeout: 60_000 });
await check(page, 'doctor');
await page.getByRole('button', { name: /^Keep this one: (?!copy)/ }).click();
await button('Save changes (1)').click();
await page.getByText('Not used in a training any more').waitFor();
await check(page, 'mended');
await page.getByRole('link', { name: 'Dataset', exact: true }).click();

// A model.
await button('Train model').first().click();
await page.getByRole('heading', { name: 'Train model' }).waitFor();
await button('Train model').first().click();
await page.getByRole('dialog').getByRole('button', { name: 'Train model' }).click();
await page.getByRole('heading', { name: /Model 1/ }).waitFor();
await check(page, 'training');
await page.getByText('Training complete').waitFor({ timeout: 400_000 });
await page.getByRole('heading', { name: 'Model performance metrics' }).waitFor();
await page.getByRole('heading', { name: 'Test results overview' }).waitFor();
await check(page, 'results');

// A number of the confusion table shows its pictures, and over one of them lie the heat map and its reason.
const confusion = page.getByRole('table', { name: 'Confusion by class' });
await confusion.getByRole('button', { name: /Anomaly, called anomalous$/ }).click();
await page.getByRole('button', { name: 'Show not only Anomaly, called anomalous' }).waitFor();
const results = page.getByRole('grid', { name: 'Test results' });
const shown = await results.getByRole('gridcell').evaluateAll((cells) => cells.filter((cell) => !cell.hidden).map((cell) => cell.dataset.label));
if (shown.length === 0 || shown.some((label) => label !== 'Anomaly')) problems.push(`confusion: shows ${shown}`);
await results.getByRole('gridcell').first().dblclick();
await page.getByRole('radio', { name: 'Heat map' }).or(page.getByRole('button', { name: 'Heat map' })).first().waitFor();
await page.keyboard.press('h');
await page.getByText(/Yellow is where the masks/).waitFor();
await page.keyboard.press('w');
await page.getByRole('img', { name: /^The most alike place, in normal/ }).waitFor();
await check(page, 'why');
await page.keyboard.press('Escape');

// Two versions are compared picture by picture: here a model with itself.
const back = page.url();
await page.goto(`${back.split('#')[0]}#/projects/${project}/compare/1/1`);
await page.getByText('Both versions are right and wrong on the same pictures.').waitFor();
await page.getByRole('gridcell').first().waitFor();
await check(page, 'compared');
await page.goto(back);
await page.getByRole('heading', { name: 'Model performance metrics' }).waitFor();

// Its threshold, a little higher.
const slider = page.getByRole('slider', { name: 'Threshold' });
await slider.focus();
for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
await button('Use this threshold').click();
await page.getByText(/The threshold was moved by/).waitFor();
await check(page, 'threshold');

// A trial with two pictures: the model's verdicts are verified and taught.
await page.getByRole('link', { name: 'Trial detections' }).click();
await button('Run trial detection').first().click();
await page.getByLabel('Task name').fill('first');
await page.getByLabel('Pictures of the trial').setInputFiles(trial);
await page.getByRole('dialog').getByRole('button', { name: 'Run trial detection' }).click();
await page.getByText('Complete').waitFor({ timeout: 60_000 });
await page.getByRole('gridcell').first().waitFor();
await check(page, 'trial');
await button('Select all').click();
await button('Verify as correct').click();
await page.getByRole('button', { name: /^Save/ }).click();
await page.getByRole('button', { name: /^Save/ }).waitFor({ state: 'detached' });
await check(page, 'verified');
await button('Add verified images to dataset').click();
await page.getByText(/were added to the dataset/).waitFor();
await check(page, 'taught');

// In service, and tried with a picture.
await page.getByRole('link', { name: 'Models' }).click();
await page.getByRole('link', { name: 'Model 1' }).click();
await button('Start').click();
await page.getByText('Hosted').first().waitFor();
await page.getByLabel('Picture to try').setInputFiles(picture);
await page.getByText(/Confidence/).first().waitFor();
// The page begins with what the verdict and the mask make of most interest; a key goes through the others.
const heatMap = page.getByRole('img', { name: 'try.jpg with the heat map' });
for (let presses = 0; presses < 3 && !(await heatMap.isVisible()); ++presses) await page.keyboard.press('h');
await heatMap.waitFor();
await page.getByText(/Yellow is where the masks/).waitFor();
await check(page, 'tried');

// The model is told that it is wrong about this picture, which works at once; and that is taken back.
const isNormal = button('This picture is normal');
if (await isNormal.isVisible()) await isNormal.click();
else {
  await button('This picture is an anomaly').click();
  await page.getByRole('img', { name: 'try.jpg' }).click();
  await button('This is the defect').click();
}
await page.getByText('The model is corrected').waitFor();
await check(page, 'corrected');
await page.getByRole('tab', { name: 'Corrections' }).click();
await page.getByRole('row', { name: /try\.jpg/ }).waitFor();
await check(page, 'corrections');
await page.getByRole('button', { name: /^Take back/ }).click();
await page.getByText('Nobody has corrected this model').waitFor();
await check(page, 'taken-back');
await page.getByRole('tab', { name: 'Drift' }).click();
await page.getByText('Not enough pictures yet').waitFor();
await page.getByRole('heading', { name: 'Share of anomalies' }).waitFor();
await check(page, 'drift');
await button('Stop').click();
await page.getByText('Training complete').waitFor();
await check(page, 'stopped');

// Everything is deleted again.
await page.goto(`${page.url().split('#')[0]}#/projects`);
await page.getByRole('radio', { name: project }).click();
await button('Delete').click();
await page.getByText('Delete its datasets and models, too').click();
await page.getByLabel('To confirm, type delete').fill('delete');
await button('Delete project').click();
await page.getByText(`The project ${project} was deleted.`).waitFor();
await check(page, 'deleted');

// The audit log has it, and what moved the threshold.
await page.getByRole('link', { name: 'Audit log' }).click();
await page.getByRole('row', { name: new RegExp(`DeleteProject.*${project}.*Success`) }).first().waitFor();
await page.getByLabel('About', { exact: true }).fill(project);
await page.getByText('More filters').click();
await page.getByLabel('Event', { exact: true }).fill('UpdateModelThreshold');
await page.getByText('Audit log (1)').waitFor();
await page.getByRole('button', { name: /^UpdateModelThreshold of admin/ }).click();
await page.getByRole('region', { name: 'The event as JSON' }).getByText('"threshold":').waitFor();
await check(page, 'audit');

await browser.close();
for (const problem of new Set(problems)) console.error(problem);
process.exit(problems.length ? 1 : 0);
