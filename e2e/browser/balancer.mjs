// Goes on by itself each time the connection is cut, and shows every line once.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const LAST = 120;
const [url, origin] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 640 });
try {
  let sockets = 0;
  page.on('websocket', () => (sockets += 1));
  await page.goto(url);
  await waitForText(page, 'go?');
  await page.keyboard.type('\n');
  await waitForText(page, `line ${LAST}`);
  await page.waitForFunction(() => /Connected/.test(document.querySelector('#status').textContent));
  const numbers = [...(await screenText(page)).matchAll(/^line (\d+)$/gm)].map((match) => +match[1]);
  assert.deepEqual(numbers, Array.from({ length: LAST }, (_, line) => line + 1), 'every line, once');
  assert.ok(sockets > 2, `it was cut: ${sockets} sockets`);
  await page.keyboard.type('done\n');
  await waitForText(page, 'got done');
  await shot(page, 'balancer');
} finally {
  await context.close();
}
