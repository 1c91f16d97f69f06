// Connects no station, then looks at one that reports: its health, its models, its verdicts; says of a kept picture what it shows. Prints a
// line when the empty page was seen, and goes on when a line comes back: node stations.mjs STATION PROJECT.
import { createInterface } from 'node:readline';
import { endpoint, openBrowser, openPage, seriousFindings, signIn } from './lib.mjs';

const [station, project] = process.argv.slice(2);
const browser = await openBrowser();
const { page, problems } = await openPage(browser);
const button = (name) => page.getByRole('button', { name, exact: true });
const verdict = (sequence) => page.getByRole('button', { name: new RegExp(`, verdict ${sequence}$`) });
const shots = process.env.SCREENSHOTS;
const shoot = async (name) => {
  for (const finding of await seriousFindings(page)) problems.push(`${name}: ${finding}`);
  if (!shots) return;
  for (const colorScheme of ['dark', 'light']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${shots}/${name}-${colorScheme}.png` });
  }
};
process.on('uncaughtException', async (error) => {
  console.error(error);
  if (shots) await page.screenshot({ path: `${shots}/failure.png` });
  process.exit(1);
});

await signIn(page);
await page.getByRole('link', { name: 'Stations' }).click();
await page.getByText('No station has reported yet.').waitFor();
await page.getByRole('textbox', { name: 'Name of the station' }).fill(station);
await page.getByText(`vedette user create ${station} --policy VedetteStationAccess`).waitFor();
await shoot('stations-empty');
await page.getByRole('tab', { name: /config.json/ }).click();
await page.getByText(`"station": "${station}"`).waitFor();
console.log('empty');
await new Promise((resolve) => createInterface({ input: process.stdin }).once('line', resolve));

const link = page.getByRole('link', { name: station, exact: true });
await link.waitFor();
await page.getByText('Troubled').waitFor();
await shoot('stations');
await link.click();
await page.getByText('The camera is offline.').waitFor();
await page.getByText('3 records of this station never came').waitFor();
await page.getByRole('row', { name: /flange Running 1\.0\.0/ }).waitFor();
await verdict(8).waitFor();
await shoot('station');

await button('Move flange to another version').click();
await page.getByRole('button', { name: /^Project/ }).click();
await page.getByRole('option', { name: project }).click();
await page.getByRole('button', { name: /^Version/ }).click();
await page.getByText('The project has no package of the component flange').waitFor();
await shoot('station-move');
await button('Cancel').click();

await page.getByRole('button', { name: /^Verdict/ }).click();
await page.getByRole('option', { name: /^Anomalies/ }).click();
await verdict(8).waitFor({ state: 'detached' });
await page.getByText('Camera gave nothing').waitFor({ state: 'detached' });
await verdict(5).click();
await page.getByRole('img', { name: 'Picture of verdict 5' }).last().waitFor();
await page.getByText('dent 25.0 %').waitFor();
await page.getByRole('radio', { name: /Anomaly/ }).check();
await page.getByRole('button', { name: /^Project/ }).click();
await page.getByRole('option', { name: project }).click();
await shoot('station-verdict');
await button('Add to the training dataset').click();
await page.getByText(`The training dataset of ${project} has the picture as an anomaly.`).waitFor();
await button('Close').click();

await button('Delete').click();
await page.getByPlaceholder('delete').fill('delete');
await button('Delete station').click();
await page.getByText('No station has reported yet.').waitFor();
await browser.close();
if (problems.length) throw new Error(`The page had problems at ${endpoint}: ${problems.join('\n')}`);
