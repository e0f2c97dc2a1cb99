// A program that asked for the mouse gets a click as bytes. Arguments: the terminal URL and the origin.
import { open, waitForText } from './chromium.mjs';

const [url, origin] = process.argv.slice(2);
const { context, page } = await open(origin, { width: 1000, height: 600 });
try {
  await page.goto(url);
  await waitForText(page, 'colours 256');
  await waitForText(page, 'click me');
  const screen = await page.locator('.xterm-screen').boundingBox();
  await page.mouse.click(screen.x + 30, screen.y + 30);
  // A press of the left button is ESC [ M and three bytes, the first a space; od shows them.
  await waitForText(page, '033 [ M space');
} finally {
  await context.close();
}
