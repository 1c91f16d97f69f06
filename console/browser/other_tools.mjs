// Imports what another tool exported, renames one of its labels, and exports COCO: node other_tools.mjs FOLDER DOWNLOAD. The folder holds a
// COCO file with one entry that cannot be used. Prints what the page said of the import.
import { openBrowser, openPage, seriousFindings, setUpBucket, signIn } from './lib.mjs';

const [folder, download] = process.argv.slice(2);
const browser = await openBrowser();
const { page, problems } = await openPage(browser);
const button = (name) => page.getByRole('button', { name, exact: true });
const shots = process.env.SCREENSHOTS;
const shoot = async (name) => {
  for (const finding of await seriousFindings(page)) problems.push(`${name}: ${finding}`);
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
};
process.on('uncaughtException', async (error) => {
  console.error(error);
  if (shots) await page.screenshot({ path: `${shots}/failure.png` });
  process.exit(1);
});

await signIn(page);
await button('Create project').first().click();
await page.getByLabel('Project name').fill('imported');
await page.getByRole('dialog').getByRole('button', { name: 'Create project' }).click();
await button('Create dataset').click();
await page.getByRole('radio', { name: /Import from another tool/ }).click();
await page.getByLabel('Folder of the export').setInputFiles(folder);
await shoot('import-chosen');
await button('Read the annotations').click();
const found = page.getByText('This was found');
if (shots) {
  await button('Create S3 bucket').or(found).first().waitFor();
  await shoot('first-time');
}
await setUpBucket(page, found);
await found.waitFor({ timeout: 60_000 });
const told = await page.locator('.failures li').allTextContents();
await shoot('import-found');
await button('Create dataset').click();
await page.waitForURL(/dataset\/train/);
await page.getByRole('gridcell').first().waitFor();

// A label gets another name; one that is in use cannot be removed; a new one can.
await button('Actions').click();
await page.getByRole('menuitem', { name: 'Manage anomaly labels' }).click();
await button('Rename scratch').click();
await page.getByLabel('New name of scratch').fill('groove');
await button('Rename').click();
if ((await button('Remove groove').getAttribute('aria-disabled')) !== 'true' && !(await button('Remove groove').isDisabled())) throw new Error('A label in use can be removed.');
await page.getByRole('textbox', { name: 'New anomaly label' }).fill('groove');
await button('Add anomaly label').click();
await page.getByText('There is such a label.').waitFor();
await page.getByRole('textbox', { name: 'New anomaly label' }).fill('dent');
await button('Add anomaly label').click();
await button('Rename dent').waitFor();
await shoot('labels');
await button('Remove dent').click();
await button('Confirm').click();
await page.getByText(/got the new names?/).waitFor();
await page.getByText('Anomaly: groove').first().waitFor();

await button('Actions').click();
const downloading = page.waitForEvent('download');
await page.getByRole('menuitem', { name: 'Export as COCO' }).click();
await (await downloading).saveAs(download);
await page.getByText(/in the COCO file/).waitFor();
await shoot('coco');
console.log(JSON.stringify({ told }));
await browser.close();
if (problems.length) throw new Error(`The page had problems: ${problems.join('\n')}`);
