// A page that comes late has the whole history at once, and scrolls to its first line.
import { strict as assert } from 'node:assert';
import { open, shot } from './chromium.mjs';

const LINES = 100_000;
const [url, origin] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 640 });
try {
  let opened;
  page.on('websocket', () => (opened = performance.now()));
  await page.goto(url);
  await page.waitForFunction((last) => {
    const buffer = window.podling?.term.buffer.active;
    if (!buffer || buffer.length < 1_000) return false;
    const lines = Array.from({ length: 5 }, (_, y) => buffer.getLine(buffer.baseY + buffer.cursorY - y)?.translateToString(true));
    return lines.includes(String(last));
  }, LINES, { polling: 10 });
  await page.evaluate(() => window.podling.term.scrollToTop());
  const top = await page.evaluate(() => {
    const { active } = window.podling.term.buffer;
    return [active.viewportY, active.getLine(active.viewportY).translateToString(true)];
  });
  const millis = performance.now() - opened;
  await shot(page, 'history');
  assert.deepEqual(top, [0, '1']);
  console.log(`line 1 of ${LINES} after ${Math.round(millis)} ms`);
  assert.ok(millis < 1_000, `line 1 of ${LINES} after ${Math.round(millis)} ms`);
  const all = await page.evaluate((count) => {
    const { active } = window.podling.term.buffer;
    for (let y = 0; y < count; y += 1) if (active.getLine(y).translateToString(true) !== String(y + 1)) return y;
    return -1;
  }, LINES);
  assert.equal(all, -1, 'every line, once');
} finally {
  await context.close();
}
