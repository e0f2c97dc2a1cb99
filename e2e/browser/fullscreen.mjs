// A page that is reloaded inside a full-screen program has its screen, and the one behind it when the program is left.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page, errors } = await open(origin, { width: 1000, height: 640 });
try {
  await page.goto(url);
  await waitForText(page, 'press a key');
  const before = await look();
  assert.equal(before.type, 'alternate');
  await shot(page, 'fullscreen');
  await page.reload();
  await waitForText(page, 'press a key');
  assert.deepEqual(await look(), before, 'the same screen, the same cursor');
  await page.keyboard.type('q');
  await waitForText(page, 'left it');
  const after = await screenText(page);
  assert.equal((await look()).type, 'normal');
  assert.match(after, /^line 1\nline 2\n[^]*line 60\nlater\nleft it\n/, after);
  assert.doesNotMatch(after, /press a key/);
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'fullscreen-failed');
  console.error(await screenText(page), errors);
  throw error;
} finally {
  await context.close();
}

function look() {
  return page.evaluate(() => {
    const { buffer: { active }, rows } = window.podling.term;
    const lines = Array.from({ length: rows }, (_, y) => active.getLine(active.baseY + y).translateToString(true));
    return { type: active.type, x: active.cursorX, y: active.cursorY, lines };
  });
}
