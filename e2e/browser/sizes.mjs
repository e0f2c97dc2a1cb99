// Two pages of one session: the size of the one that is typed into holds for both, and both show the same screen.
import { strict as assert } from 'node:assert';
import { open, waitForText, shot } from './chromium.mjs';

const [url, other, origin] = process.argv.slice(2);
const first = await open(origin, { width: 1000, height: 640 });
const second = await open(origin, { width: 760, height: 480 });
try {
  await first.page.goto(url);
  await waitForText(first.page, 'drawn for');
  await second.page.goto(other);
  await alike();
  await second.page.setViewportSize({ width: 620, height: 420 });
  await second.page.keyboard.type('a');
  await alike();
  await shot(first.page, 'boxed');
  assert.match(await first.page.textContent('#boxed'), /another window/);
  await first.page.keyboard.type('b');
  await first.page.setViewportSize({ width: 1100, height: 700 });
  await alike();
  assert.deepEqual([...first.errors, ...second.errors], [], 'the pages log no error');
} catch (error) {
  await shot(first.page, 'sizes-failed-1');
  await shot(second.page, 'sizes-failed-2');
  console.error(await look(first.page), await look(second.page));
  throw error;
} finally {
  await first.context.close();
  await second.context.close();
}

/** Waits until both pages show what the program drew for one size. */
async function alike() {
  for (let tries = 0; ; tries += 1) {
    const [one, two] = [await look(first.page), await look(second.page)];
    const drawn = `drawn for ${one.rows} ${one.cols}`;
    if (JSON.stringify(one) === JSON.stringify(two) && one.lines[0] === drawn) return;
    if (tries === 300) assert.deepEqual(one, two, `both show what was ${drawn}`);
    await new Promise((next) => setTimeout(next, 50));
  }
}

function look(page) {
  return page.evaluate(() => {
    const { buffer: { active }, rows, cols } = window.podling.term;
    const lines = Array.from({ length: rows }, (_, y) => active.getLine(active.baseY + y)?.translateToString(true));
    return { rows, cols, type: active.type, lines };
  });
}
