// A link for watching: opened by a guest, seen by the owner, taken back. Arguments: the owner's terminal URL, the link,
// the address that revokes it, and the origin that nothing may leave.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [ownerUrl, link, revokeUrl, origin] = process.argv.slice(2);
const owner = await open(origin, { width: 1100, height: 620 });
const guest = await open(origin, { width: 1000, height: 620 });

try {
  await owner.page.goto(ownerUrl);
  await waitForText(owner.page, 'ready');
  await guest.page.goto(link);
  await waitForText(guest.page, 'ready');
  assert.equal(await guest.page.evaluate(() => location.hash), '', 'the secret is stripped from the address bar');
  assert.equal(await guest.page.textContent('#turn-text'), 'Watching only');

  await guest.page.keyboard.type('from the guest\n');
  await owner.page.click('#viewers');
  await owner.page.waitForSelector('#people:not([hidden])');
  const people = await owner.page.textContent('#people-list');
  assert.match(people, /Ada/);
  assert.match(people, /watching/);
  assert.match(await owner.page.textContent('#viewers'), /2 watching/);
  await shot(owner.page, 'sharing-people');
  await owner.page.click('#people-close');
  await owner.page.keyboard.type('from the owner\n');
  await waitForText(guest.page, 'got from the owner');
  assert.doesNotMatch(await screenText(owner.page), /guest/, 'a guest that may only watch types nothing');
  await shot(guest.page, 'sharing-guest');

  // A reload comes back by itself and takes no other use.
  await guest.page.reload();
  await waitForText(guest.page, 'got from the owner');

  const revoked = Date.now();
  assert.equal((await fetch(revokeUrl, { method: 'DELETE' })).status, 200);
  await guest.page.waitForFunction(() => document.querySelector('#card-title')?.textContent === 'The link was taken back');
  const millis = Date.now() - revoked;
  assert.ok(millis < 1000, `closed after ${millis} ms`);
  await shot(guest.page, 'sharing-revoked');
  console.log(`a guest was closed ${millis} ms after the revocation`);

  await guest.page.reload();
  await guest.page.waitForFunction(() => document.documentElement.dataset.status === 'stopped');
  const late = await guest.context.newPage();
  await late.goto(link);
  await late.waitForFunction(() => document.querySelector('#card-title')?.textContent === 'This link cannot be used any more');
  await shot(late, 'sharing-over');
  await owner.page.waitForFunction(() => document.querySelector('#viewers').hidden);
  assert.deepEqual([...owner.outside, ...guest.outside], [], 'no request leaves the origin');
  assert.deepEqual(owner.errors, [], 'the page logs no error');
} catch (error) {
  await shot(owner.page, 'failed-owner');
  await shot(guest.page, 'failed-guest');
  console.error(await screenText(guest.page), guest.errors, owner.errors);
  throw error;
} finally {
  await owner.context.close();
  await guest.context.close();
}
