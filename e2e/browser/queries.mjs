// Opens, waits for the program's queries to have passed, and reloads: neither types anything.
import { open, waitForText } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 600 });
try {
  await page.goto(url);
  await waitForText(page, 'ready');
  await page.reload();
  await waitForText(page, 'ready');
  // What the page had to say to the program, it has sent before this line comes back.
  await page.keyboard.type('mark\n');
  await waitForText(page, 'mark');
} finally {
  await context.close();
}
