// The pages that describe the API: they list what the description has, try a request, and load nothing from elsewhere.
import { strict as assert } from 'node:assert';
import { open, shot } from './chromium.mjs';

const origin = process.argv[2];
const { context, page, outside, errors } = await open(origin, { width: 1200, height: 1400 });
try {
  await page.goto(`${origin}/docs`);
  await page.waitForSelector('.opblock');
  const described = await page.evaluate(() => fetch('/api/openapi.json').then((answer) => answer.json()));
  const operations = Object.values(described.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId).filter(Boolean));
  assert.equal(await page.locator('.opblock').count(), operations.length);
  await shot(page, 'docs');

  await page.click('#operations-sessions-listSessions .opblock-summary-control');
  await page.click('#operations-sessions-listSessions .try-out__btn');
  await page.click('#operations-sessions-listSessions .execute');
  const status = page.locator('#operations-sessions-listSessions .live-responses-table .response-col_status');
  await status.filter({ hasText: '200' }).first().waitFor();
  assert.deepEqual(outside, [], 'no request leaves the origin');
  assert.deepEqual(errors, [], 'the page logs no error');
} finally {
  await context.close();
}
