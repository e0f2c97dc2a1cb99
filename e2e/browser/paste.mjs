// A large paste keeps to the credit for input, shows what is left of it, and makes way for Ctrl-C.
import { strict as assert } from 'node:assert';
import { open, shot } from './chromium.mjs';
import { ORIGIN, PAGE, serve } from './double.mjs';

const WINDOW = 256 * 1024;

const { context, page, errors } = await open(ORIGIN, { width: 1000, height: 640 });
try {
  const server = await serve(page);
  await page.goto(PAGE);
  const connection = await server.next();
  connection.admit();
  connection.output(0, '\x1b[?2004h$ ');
  await connection.until('an ack', ({ acked }) => acked > 0);

  await page.evaluate(() => window.podling.term.paste('x'.repeat(3_000_000)));
  await page.waitForFunction(() => /Pasting… 2\.7 MB left, Ctrl\+C stops/.test(document.querySelector('#pasting').textContent));
  const before = connection.typed.length;
  assert.ok(before > WINDOW / 2 && before <= WINDOW, `${before} bytes were sent`);
  connection.inputTaken(100_000);
  await connection.until('more of the paste', ({ typed }) => typed.length === before + 100_000);
  await shot(page, 'pasting');

  await page.keyboard.press('Control+C');
  await connection.until('the interrupt', ({ typed }) => typed.toString().endsWith('x\x1b[201~\x03'));
  assert.ok(connection.typed.length <= WINDOW + 100_000, 'no byte more than the credit');
  assert.equal(await page.locator('#pasting').isVisible(), false);
  assert.deepEqual(errors, [], 'the page logs no error');
} finally {
  await context.close();
}
