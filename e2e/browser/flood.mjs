// A page that is slower than the program is told exactly what it missed, and can see it.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [url, origin, end] = process.argv.slice(2);
const { context, page, errors } = await open(origin, { width: 1000, height: 640 });
try {
  await page.goto(url);
  await waitForText(page, 'go?');
  const cdp = await context.newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 20 });
  await page.keyboard.type('\n');
  await waitForText(page, 'flooded');
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  const text = await screenText(page);
  assert.match(text, new RegExp(`\\n${end}\\nflooded\\n`), 'the end is on the screen');
  const before = /\n(\d+)\n(\d+)\n─── gap 1 · [^\n]* were skipped · show ───\n/.exec(text);
  assert.ok(before, 'a gap is marked, behind a line that was shown');
  console.log(`${await page.textContent('#gaps-open')}, in ${text.match(/─── gap/g).length} gaps`);

  await page.click('#gaps-open');
  for (let gap = text.match(/─── gap/g).length; gap > 1; gap -= 1) await page.click('#gap-older');
  await page.waitForFunction(() => /\d\n\d/.test(document.querySelector('#gap-terminal .xterm-rows')?.innerText));
  await shot(page, 'flood-panel');
  const rows = await page.evaluate(() => document.querySelector('#gap-terminal .xterm-rows').innerText.split('\n'));
  // The counting goes on, also where the gap cut a number in two.
  const [last, cut, rest, next] = [before[1], before[2], rows[0].trim(), rows[1].trim()];
  const goesOn = cut + rest === `${+last + 1}` && next === `${+last + 2}`;
  const goesOnBelow = cut === `${+last + 1}` && rest === `${+last + 2}`;
  assert.ok(goesOn || goesOnBelow, `after ${last} and ${cut} come ${rest} and ${next}`);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.closest('#terminal'));
  await page.keyboard.type('typed\n');
  await waitForText(page, 'got typed');
  assert.deepEqual(errors, [], 'the page logs no error');
} catch (error) {
  await shot(page, 'flood-failed');
  console.error((await screenText(page)).slice(-3000), errors);
  throw error;
} finally {
  await context.close();
}
