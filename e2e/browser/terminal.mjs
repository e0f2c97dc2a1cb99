// A person's whole road: opens the link, watches a redraw in colour, answers a prompt, resizes, interrupts, reloads,
// and sees the end. Arguments: the terminal URL and the origin that nothing may leave.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page, outside, errors } = await open(origin, { width: 1100, height: 720 });

try {
  await page.goto(url);
  await waitForText(page, 'What is your name?');
  assert.ok(!page.url().includes('token='), `the token is stripped from the address bar: ${page.url()}`);
  assert.match(await page.textContent('#status'), /Connected/);
  assert.ok(await hasColour(page), 'coloured cells are coloured');
  await waitForText(page, 'step 3 of 3'); // Redrawn in place: the steps before it are gone.
  assert.doesNotMatch(await screenText(page), /step 1 of 3/);
  await shot(page, 'prompt');

  await page.keyboard.type('Grete\n');
  await waitForText(page, 'Hello Grete');

  const wide = await page.evaluate(() => window.podling.term.cols);
  await page.setViewportSize({ width: 820, height: 560 });
  await page.waitForFunction((cols) => window.podling.term.cols < cols, wide);
  await page.keyboard.type('size\n');
  await waitForText(page, 'size is ');
  const size = await page.evaluate(() => `${window.podling.term.rows} ${window.podling.term.cols}`);
  await waitForText(page, `size is ${size}`);

  await page.keyboard.type('loop\n');
  await waitForText(page, 'looping');
  await page.keyboard.press('Control+C');
  await waitForText(page, 'interrupted');

  await page.reload();
  await waitForText(page, 'interrupted');
  assert.match(await page.textContent('#status'), /Connected/);
  await page.keyboard.type('probe\n');
  await waitForText(page, 'probe answered');
  assert.match(await screenText(page), /probe answered once\n/, 'the runner alone answers a terminal query');

  await page.keyboard.type('quit\n');
  await page.waitForFunction(() => /exit code 7/i.test(document.querySelector('#status').textContent));
  await waitForText(page, 'Goodbye');
  await shot(page, 'ended');
  assert.deepEqual(outside, [], 'no request leaves the origin');
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'failed');
  console.error(await screenText(page), errors);
  throw error;
} finally {
  await context.close();
}

/** Whether some cell of the screen is drawn in a colour of its own. */
function hasColour(page) {
  return page.evaluate(() => {
    const { rows, cols, buffer: { active: buffer } } = window.podling.term;
    for (let y = 0; y < rows; y += 1) {
      const line = buffer.getLine(buffer.viewportY + y);
      for (let x = 0; line && x < cols; x += 1) if (!line.getCell(x)?.isFgDefault()) return true;
    }
    return false;
  });
}
