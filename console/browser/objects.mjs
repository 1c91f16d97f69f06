// Opens objects of a bucket by presigned URLs, as a tab, and tells whether a script in them ran: node objects.mjs URL...
import { openBrowser } from './lib.mjs';

const browser = await openBrowser();
for (const url of process.argv.slice(2)) {
  const context = await browser.newContext();
  const page = await context.newPage();
  let ran = false;
  // The script of each object asks the server for this path.
  page.on('request', (request) => (ran ||= request.url().includes('script-ran')));
  let outcome = 'shown';
  await page.goto(url).catch((error) => {
    if (!/Download is starting|ERR_ABORTED/.test(String(error))) throw error;
    outcome = 'downloaded';
  });
  // A frame of the console's own origin is the other way in.
  await page.goto(`${new URL(url).origin}/healthz`);
  await page.evaluate((address) => {
    const frame = document.createElement('iframe');
    frame.src = address;
    document.body.append(frame);
    return new Promise((resolve) => setTimeout(resolve, 500));
  }, url);
  console.log(JSON.stringify({ outcome, ran }));
  await context.close();
}
await browser.close();
