// What the page makes of snapshots and of skipped output, against a server that is played to the byte.
import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { open, screenText, waitForText, shot } from './chromium.mjs';
import { ORIGIN, PAGE, serve } from './double.mjs';

const CLEAR = '\x18\x1b[?1049l\x1b[r\x1b[0m\x1b[2J\x1b[H';
const FROM = 5_000;
const TO = FROM + 2_500_000;
/** What was skipped: numbered lines, to the byte. */
const SKIPPED = Buffer.from(Array.from({ length: 250_000 }, (_, at) => `${at}`.padStart(8, '0') + '\r\n').join(''));

let server;
/** The page's first connection, and the one after it. */
let first;
let second;
/** The offset that the second one came to. */
let at;

const { context, page, errors } = await open(ORIGIN, { width: 1000, height: 640 });
try {
  server = await serve(page);
  await page.goto(PAGE);
  first = await server.next();
  assert.deepEqual(first.query, { mode: 'live', history: '100000' });
  first.admit();
  first.snapshot(0, CLEAR);
  const reached = first.output(FROM - 1_000, `${lines('before', 30)}\x1b[31mcut inside a sequence \x1b[3`);
  await first.until('an ack of what was drawn', ({ acked }) => acked === reached);

  await aGapKeepsTheScreenAndIsMarked();
  await aSnapshotAfterAResizeScrollsNothingAway();
  await theSkippedOutputIsShownAndSaved();
  await aReturnGoesOnWhereThePageWas();
  await behindAFullScreenProgramTheScreenIsKeptOnce();
  await aWiderScreenTakesNoLineFromTheScrollback();
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'gaps-failed');
  console.error(await screenText(page), errors);
  throw error;
} finally {
  await context.close();
}

async function aGapKeepsTheScreenAndIsMarked() {
  first.skipped(FROM, TO);
  first.snapshot(TO, `${CLEAR}after the gap\r\n`);
  first.output(TO, '$ ');
  await first.until('an ack of the snapshot', ({ acked }) => acked === TO + 2);
  const text = await screenText(page);
  assert.match(text, /before 1\nbefore 2\n[^]*before 30\ncut inside a sequence \n─── gap 1 · 2\.5 MB were skipped · show ───\nafter the gap\n\$/);
  assert.equal(text.match(/before 30/g).length, 1);
  assert.match(await page.textContent('#gaps-open'), /2\.5 MB skipped/);
}

async function aSnapshotAfterAResizeScrollsNothingAway() {
  const before = await page.evaluate(() => window.podling.term.buffer.normal.baseY);
  first.resized(24, 100);
  first.snapshot(TO + 2, `${CLEAR}after the gap\r\n$ `, { cols: 100 });
  first.output(TO + 2, 'wide');
  await waitForText(page, '$ wide');
  const after = await page.evaluate(() => [window.podling.term.buffer.normal.baseY, window.podling.term.cols]);
  assert.deepEqual(after, [before, 100]);
}

async function theSkippedOutputIsShownAndSaved() {
  await page.evaluate(() => window.podling.term.scrollLines(-6));
  await shot(page, 'gap-mark');
  const row = await page.evaluate(() => {
    const { buffer: { active }, rows } = window.podling.term;
    return Array.from({ length: rows }, (_, y) => active.getLine(active.viewportY + y).translateToString()).findIndex((line) => line.includes('gap 1 ·'));
  });
  const screen = await page.locator('#terminal .xterm-screen').boundingBox();
  await page.mouse.click(screen.x + 60, screen.y + ((row + 0.5) * screen.height) / 24);
  const answering = (async () => {
    for (let answered = 0, to = FROM; to < TO; answered += 1) {
      await first.until('a question', ({ questions }) => questions.length > answered);
      const { from } = first.questions[answered];
      assert.equal(from, to, 'a question goes on where the answer before ended');
      to = first.questions[answered].to;
      assert.ok(to - from <= 1 << 20 && to <= TO, 'a question is for 1 MiB at most');
      for (let at = from; at < to; at += 60_000) first.fetched(at, SKIPPED.subarray(at - FROM, Math.min(at + 60_000, to) - FROM));
      first.fetched(to, '');
    }
  })();
  await page.waitForFunction(() => document.querySelector('#gap[open] .xterm-rows')?.textContent.includes('00000003'));
  assert.match(await page.textContent('#gap-range'), /2\.5 MB of output, from byte 5.000 to 2.505.000/);
  await page.waitForFunction(() => document.querySelector('#gap-go').textContent === 'Show the next part');
  await page.keyboard.press('End');
  await page.keyboard.press('Home');
  await shot(page, 'gap-panel');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#gap-save')]);
  await answering;
  assert.ok((await readFile(await download.path())).equals(SKIPPED), 'the file is what was skipped');
  assert.equal(download.suggestedFilename(), `skipped-${FROM}-${TO}.log`);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#gap').isVisible(), false);
  await page.keyboard.type('x');
  await first.until('a key after the panel', ({ typed }) => typed.toString().endsWith('x'));
}

async function aReturnGoesOnWhereThePageWas() {
  first.cut();
  second = await server.next();
  assert.deepEqual(second.query, { mode: 'live', from: String(TO + 6) });
  second.admit({ generation: 2, cols: 100 });
  at = second.output(TO + 6, '\r\nnothing was missing');
  await second.until('an ack on the new connection', ({ acked }) => acked === at);
  await waitForText(page, 'nothing was missing');
}

async function aWiderScreenTakesNoLineFromTheScrollback() {
  const word = 'x'.repeat(150);
  at = second.output(at, `\r\n${lines('early', 30)}${`${word}\r\n`.repeat(8)}`);
  second.resized(30, 160);
  // Of 24 rows there are 15 left when eight lines of two rows are lines of one.
  second.snapshot(at, `${CLEAR}${lines('early', 30).split('\r\n').slice(-8).join('\r\n')}${`${word}\r\n`.repeat(8)}`, { rows: 30, cols: 160 });
  at = second.output(at, 'wider');
  await second.until('an ack', ({ acked }) => acked === at);
  const text = await screenText(page);
  for (let line = 1; line <= 30; line += 1) assert.equal(text.match(new RegExp(`^early ${line}$`, 'gm'))?.length, 1, `early ${line} is there once:\n${text}`);
}

async function behindAFullScreenProgramTheScreenIsKeptOnce() {
  at = second.output(at, '\x1b[?1049h\x1b[Hfull screen');
  for (let gap = 2; gap < 5; gap += 1) {
    second.skipped(at, at + 1_000);
    at += 1_000;
    second.snapshot(at, `${CLEAR}after the gap\r\n$ wide\r\nnothing was missing\x1b[?1049h\x1b[2J\x1b[Hfull screen`, { cols: 100 });
  }
  at = second.output(at, '\x1b[?1049l');
  await second.until('an ack', ({ acked }) => acked === at);
  const text = await screenText(page);
  assert.equal(text.match(/nothing was missing/g).length, 2, text);
  assert.match(text, /gap 2 · [^\n]*\n─── gap 3 · [^\n]*\n─── gap 4 · /);
}

function lines(word, count) {
  return Array.from({ length: count }, (_, at) => `${word} ${at + 1}\r\n`).join('');
}
