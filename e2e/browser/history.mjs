// A page that comes late has the whole history at once, and scrolls to its first line.
import { strict as assert } from 'node:assert';
import { open, shot } from './chromium.mjs';

const LINES = 100_000;
const WITHIN_MILLIS = 1_000;
/** What counts on a slower machine: so many times what a bare xterm.js takes there for the same lines. */
const TIMES_BARE = 6;
const [url, origin] = process.argv.slice(2);
let opened;
const { context, page } = await open(origin, { width: 1000, height: 640 });
try {
  page.on('websocket', () => (opened = performance.now()));
  await page.addInitScript(() => {
    const { setTimeout } = window;
    window.timers = 0;
    window.setTimeout = (...timer) => {
      window.timers += 1;
      return setTimeout(...timer);
    };
  });
  await page.goto(url);
  const times = [await scrolledToTop()];
  const bare = [await bareXterm()];
  // Once is enough: it shows what the page can do. A reload holds nothing, as a page that comes late.
  while (Math.min(...times) > within() && times.length < 5) {
    await page.reload();
    times.push(await scrolledToTop());
    bare.push(await bareXterm());
  }
  await shot(page, 'history');
  const timers = await page.evaluate(() => window.timers);
  console.log(`line 1 of ${LINES} after ${times} ms of ${within()}, a bare xterm.js ${bare} ms, ${timers} timers`);
  assert.ok(timers < LINES / 100, `no work of the page's for each line: ${timers} timers`);
  assert.ok(Math.min(...times) <= within(), `line 1 of ${LINES} after ${times} ms`);
  const all = await page.evaluate((count) => {
    const { active } = window.podling.term.buffer;
    for (let y = 0; y < count; y += 1) if (active.getLine(y).translateToString(true) !== String(y + 1)) return y;
    return -1;
  }, LINES);
  assert.equal(all, -1, 'every line, once');

  /** How long it may take, in milliseconds. */
  function within() {
    return Math.max(WITHIN_MILLIS, TIMES_BARE * Math.max(...bare));
  }
} finally {
  await context.close();
}

/** Waits for all lines, scrolls to the first and says how long that took since the socket was opened. */
async function scrolledToTop() {
  await page.waitForFunction((last) => {
    const buffer = window.podling?.term.buffer.active;
    if (!buffer || buffer.length < 1_000) return false;
    const lines = Array.from({ length: 5 }, (_, y) => buffer.getLine(buffer.baseY + buffer.cursorY - y)?.translateToString(true));
    return lines.includes(String(last));
  }, LINES, { polling: 10 });
  const top = await page.evaluate(() => {
    window.podling.term.scrollToTop();
    const { active } = window.podling.term.buffer;
    return [active.viewportY, active.getLine(active.viewportY).translateToString(true)];
  });
  assert.deepEqual(top, [0, '1']);
  return Math.round(performance.now() - opened);
}

/** How long an xterm.js that draws nothing takes for the same lines, in milliseconds. */
function bareXterm() {
  return page.evaluate(async (count) => {
    const { cols, rows, options, constructor: Terminal } = window.podling.term;
    const terminal = new Terminal({ cols, rows, scrollback: options.scrollback, allowProposedApi: true });
    const lines = Array.from({ length: count }, (_, line) => `${line + 1}\r\n`);
    const began = performance.now();
    for (let at = 0; at < count; at += 5_000) terminal.write(lines.slice(at, at + 5_000).join(''));
    await new Promise((parsed) => terminal.write('', parsed));
    const took = performance.now() - began;
    terminal.dispose();
    return Math.round(took);
  }, LINES);
}
