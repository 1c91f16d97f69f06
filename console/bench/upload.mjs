// Uploads 5,000 small pictures in the console and with `rclone copy` to the same server, by turns, and prints how long each took.
//   VEDETTE_ENDPOINT=... AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... node bench/upload.mjs [PICTURES] [ROUNDS]
// The time of the console is that of sending, from the press on the button; adding to the dataset is told apart.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpoint, openBrowser, openPage, setUpBucket, signIn } from '../browser/lib.mjs';

const pictures = Number(process.argv[2] ?? 5000);
const rounds = Number(process.argv[3] ?? 2);
const folder = mkdtempSync(join(tmpdir(), 'vedette-upload-'));
const name = (round) => `upload-${process.pid}-${round}`;

/** The bytes of a JPEG as far as an upload looks at them: 4 kB that differ from file to file. */
function picture(seed) {
  const bytes = Buffer.alloc(4096, seed & 255);
  bytes.set([0xff, 0xd8, 0xff, 0xe0]);
  bytes.writeUInt32LE(seed, 100);
  return bytes;
}

function rclone(round) {
  const { AWS_CA_BUNDLE: _, ...environment } = process.env; // rclone fails with it.
  const settings = { TYPE: 's3', PROVIDER: 'Other', ENDPOINT: endpoint, ENV_AUTH: 'true', FORCE_PATH_STYLE: 'true', REGION: 'us-east-1' };
  for (const [key, value] of Object.entries(settings)) environment[`RCLONE_CONFIG_SERVER_${key}`] = value;
  const start = performance.now();
  execFileSync('rclone', ['copy', '--quiet', '--transfers', '6', join(folder, 'good'), `server:${name(round)}/good`], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
  return (performance.now() - start) / 1000;
}

async function console_(page, round) {
  await page.goto(`${endpoint}/console/#/projects`);
  await page.getByRole('button', { name: 'Create project' }).first().click();
  await page.getByLabel('Project name').fill(name(round));
  await page.getByRole('dialog').getByRole('button', { name: 'Create project' }).click();
  await page.getByRole('button', { name: 'Create dataset' }).click();
  await page.locator('input[type=file][webkitdirectory]').setInputFiles(folder);
  const button = page.getByRole('button', { name: /^Upload [\d,]+ pictures$/ });
  await button.waitFor({ timeout: 120_000 });
  const asked = performance.now();
  await button.click();
  await setUpBucket(page, page.getByText(/^Adding|^[\d,]+ of [\d,]+ pictures/).or(page.getByRole('gridcell')));
  const start = round === 0 ? performance.now() : asked; // Only the first upload may wait for the person.
  await page.getByText(/^Adding/).or(page.getByRole('gridcell').first()).first().waitFor({ timeout: 600_000 });
  const sent = (performance.now() - start) / 1000;
  await page.getByRole('gridcell').first().waitFor({ timeout: 600_000 });
  return { sent, all: (performance.now() - start) / 1000 };
}

mkdirSync(join(folder, 'good'));
for (let i = 0; i < pictures; i++) writeFileSync(join(folder, 'good', `${String(i).padStart(5, '0')}.jpg`), picture(i));
const browser = await openBrowser();
try {
  const { page } = await openPage(browser);
  await signIn(page);
  for (let round = 0; round < rounds; round++) {
    const rcloneSeconds = rclone(round);
    const { sent, all } = await console_(page, round);
    const per = (seconds) => Math.round(pictures / seconds);
    console.log(JSON.stringify({ round, pictures, rclone_per_second: per(rcloneSeconds), console_per_second: per(sent), ratio: Number((rcloneSeconds / sent).toFixed(2)), with_dataset_seconds: Number(all.toFixed(1)) }));
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
