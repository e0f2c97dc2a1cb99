// What a model says is seen word by word, in the middle of the run; then the run ends well.
// Arguments: the terminal URL, its origin, where the model is told to go on, its first word, and all of its words.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin, goOn, first, whole] = process.argv.slice(2);
const { context, page, errors } = await open(origin, { width: 1100, height: 720 });
context.setDefaultTimeout(100_000); // A program of 380 MB comes first.
try {
  await page.goto(url);
  await waitForText(page, `    ${first}`);
  assert.match(await page.textContent('#status'), /Connected/);
  assert.doesNotMatch(await screenText(page), /✔ AI-SECURITY-AUDIT|Restore Task State\n.*exit code/);
  await shot(page, 'claude');
  await fetch(goOn, { method: 'POST' });
  await waitForText(page, `    ${whole}`);
  await page.waitForFunction(() => /exit code 0/i.test(document.querySelector('#status').textContent));
  await waitForText(page, '✔ Restore Task State');
  await waitForText(page, '✔ AI-SECURITY-AUDIT');
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'failed');
  console.error(await screenText(page), errors);
  throw error;
} finally {
  await context.close();
}
