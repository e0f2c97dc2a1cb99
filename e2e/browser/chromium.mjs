// A headless Chromium with a fresh profile, whose requests are watched.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox', // Tests may run as root, for whom Chromium has no sandbox.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE = 30_000;

/** Opens a page; `outside` collects the requests that leave `origin`, `errors` what the page complains of. */
export async function open(origin, viewport) {
  const profile = mkdtempSync(join(tmpdir(), 'podling-browser-'));
  process.on('exit', () => rmSync(profile, { recursive: true, force: true })); // The browser writes to its end.
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ARGUMENTS,
    viewport,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = context.pages()[0] ?? (await context.newPage());
  const outside = [];
  const errors = [];
  const inside = [origin, origin.replace('http', 'ws'), 'data:', 'blob:'];
  page.on('request', (request) => inside.some((prefix) => request.url().startsWith(prefix)) || outside.push(request.url()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  return { context, page, outside, errors };
}

/** What the terminal shows, from its buffer, scrollback included. */
export function screenText(page) {
  return page.evaluate(() => {
    const buffer = window.podling?.term.buffer.active;
    if (!buffer) return '';
    return Array.from({ length: buffer.length }, (_, y) => buffer.getLine(y)?.translateToString(true) ?? '').join('\n');
  });
}

/** Waits until the terminal shows `text`. */
export function waitForText(page, text) {
  return page.waitForFunction((wanted) => {
    const buffer = window.podling?.term.buffer.active;
    if (!buffer) return false;
    let all = '';
    for (let y = 0; y < buffer.length; y += 1) {
      const line = buffer.getLine(y);
      all += (line?.isWrapped ? '' : '\n') + (line?.translateToString(true) ?? '');
    }
    return all.includes(wanted);
  }, text);
}

/** A picture for people, where the caller wants pictures. */
export async function shot(page, name) {
  const folder = process.env.PODLING_SCREENSHOTS;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}
