// What the browser tests share: a Chromium, and a person who signs in.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds on the page that keeps people out: findings that it calls serious or critical. */
export async function seriousFindings(page) {
  await page.evaluate(axe);
  // What fades in is paler than it will be.
  await page.evaluate(() => {
    const fading = document.getAnimations().filter((animation) => Number.isFinite(Number(animation.effect?.getComputedTiming().endTime)));
    return Promise.allSettled(fading.map((animation) => animation.finished));
  });
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id} (${help}): ${html.slice(0, 200)}: ${failureSummary}`));
}

export const endpoint = process.env.VEDETTE_ENDPOINT;
const credentials = `[default]\naws_access_key_id = ${process.env.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${process.env.AWS_SECRET_ACCESS_KEY}\n`;

export async function openBrowser(options = {}) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'], ...options });
}

/** A page whose errors end the test: a console that throws is broken even where nobody sees it. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    // The browser itself logs answers such as 404, which the console asks for and understands.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) problems.push(message.text());
  });
  page.setDefaultTimeout(60_000);
  return { page, context, problems };
}

export async function signIn(page) {
  await page.goto(`${endpoint}/console/`);
  await page.getByLabel('Access key', { exact: true }).fill(credentials);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
}

/** Lets the console make its bucket if it asks, until `next` is there. */
export async function setUpBucket(page, next) {
  const create = page.getByRole('button', { name: 'Create S3 bucket', exact: true });
  await create.or(next).first().waitFor();
  if (await create.isVisible()) await create.click();
}
