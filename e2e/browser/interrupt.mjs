// Ctrl-C in the page ends a flood at once, and the prompt is there.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page, errors } = await open(origin, { width: 1000, height: 640 });
try {
  await page.goto(url);
  await waitForText(page, '$ ');
  const times = [];
  for (let round = 0; round < 3; round += 1) {
    await page.keyboard.type('yes\n');
    await page.waitForFunction(() => {
      const { active } = window.podling.term.buffer;
      return active.getLine(active.baseY + 3)?.translateToString(true) === 'y';
    });
    const millis = await page.evaluate(async () => {
      const { term } = window.podling;
      const begun = performance.now();
      term.input('\x03');
      const atPrompt = () => /\$ $/.test(term.buffer.active.getLine(term.buffer.active.baseY + term.buffer.active.cursorY).translateToString(true));
      while (!atPrompt()) await new Promise((next) => setTimeout(next, 1));
      return performance.now() - begun;
    });
    times.push(Math.round(millis));
  }
  console.log(`prompt after ${times} ms`);
  await shot(page, 'interrupt');
  assert.ok(Math.min(...times) < 500 && Math.max(...times) < 2_000, `prompt after ${times} ms`);
  await page.keyboard.type('echo still $((40 + 2))\n');
  await waitForText(page, 'still 42');
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'interrupt-failed');
  console.error((await screenText(page)).slice(-1000), errors);
  throw error;
} finally {
  await context.close();
}
