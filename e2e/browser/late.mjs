// The page of a session that ended before it was opened shows what there was and how it ended.
import { open, waitForText } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 600 });
try {
  await page.goto(url);
  await waitForText(page, 'hi');
  await page.waitForFunction(() => /exit code 0/i.test(document.querySelector('#status').textContent));
} finally {
  await context.close();
}
