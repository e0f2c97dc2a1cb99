// Says when it attaches, at which its gateway is killed; goes on by itself and shows every line once.
import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin, attaching] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 640 });
try {
  let sockets = 0;
  page.on('websocket', () => (sockets += 1) === 1 && connect(Number(attaching), '127.0.0.1').end());
  await page.goto(url);
  await page.waitForFunction(() => /Connected/.test(document.querySelector('#status').textContent));
  const shown = (await screenText(page)).match(/^line \d+$/gm)?.length ?? 0;
  await waitForText(page, `line ${shown + 20}`);
  await page.keyboard.type('\n');
  await waitForText(page, 'end ');
  const numbers = [...(await screenText(page)).matchAll(/^line (\d+)$/gm)].map((match) => +match[1]);
  assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, line) => line), 'every line, once');
  assert.ok(sockets > 1, 'it was cut');
  console.log(`${sockets} sockets, ${numbers.length} lines`);
  await shot(page, 'handover');
} finally {
  await context.close();
}
