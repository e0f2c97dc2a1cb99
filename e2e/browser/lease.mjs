// The input lease: taken by the owner, asked for by a guest, granted, taken back. Arguments: the owner's terminal URL, the
// guest's link, and the origin that nothing may leave.
import { strict as assert } from 'node:assert';
import { open, screenText, waitForText, shot } from './chromium.mjs';

const [ownerUrl, link, origin] = process.argv.slice(2);
const owner = await open(origin, { width: 1100, height: 620 });
const guest = await open(origin, { width: 1000, height: 600 });

const turn = (page, text) => page.waitForFunction((wanted) => {
  const chip = document.querySelector('#turn');
  return wanted === null ? chip.hidden : !chip.hidden && document.querySelector('#turn-text').textContent.startsWith(wanted);
}, text);

try {
  await owner.page.goto(ownerUrl);
  await waitForText(owner.page, 'ready');
  await guest.page.goto(link);
  await waitForText(guest.page, 'ready');
  await turn(guest.page, null);
  await guest.page.keyboard.type('both type\n');
  await waitForText(owner.page, 'got both type');

  await owner.page.click('#viewers');
  await owner.page.click('#people-list button:text("Only I type")');
  await turn(owner.page, 'Only you can type');
  await owner.page.click('#people-close');
  await turn(guest.page, 'Owner has the keyboard');
  await guest.page.keyboard.type('in vain\n');
  await shot(guest.page, 'lease-held');

  await guest.page.click('#turn-button');
  await turn(guest.page, 'Owner has the keyboard, you have asked');
  await owner.page.waitForFunction(() => /Grace asks for the keyboard/.test(document.querySelector('#toast-text').textContent));
  await shot(owner.page, 'lease-asked');
  await owner.page.waitForTimeout(500); // As long as a person needs to read it; sooner answers are mistaken ones.
  await owner.page.click('#toast-yes');
  await turn(guest.page, 'Only you can type');
  await turn(owner.page, 'Grace has the keyboard');
  await shot(owner.page, 'lease-granted');
  await guest.page.click('#terminal');
  await guest.page.keyboard.type('granted\n');
  await waitForText(owner.page, 'got granted');
  await owner.page.click('#terminal');
  await owner.page.keyboard.type('not mine\n');

  await owner.page.click('#turn-button');
  await turn(owner.page, null);
  await turn(guest.page, null);
  await owner.page.keyboard.type('taken back\n');
  await waitForText(guest.page, 'got taken back');
  const text = await screenText(owner.page);
  assert.doesNotMatch(text, /in vain|not mine/, 'who may not type reaches nothing');
  assert.deepEqual([...owner.outside, ...guest.outside], [], 'no request leaves the origin');
  assert.deepEqual([...owner.errors, ...guest.errors], [], 'the pages log no error');
} catch (error) {
  await shot(owner.page, 'failed-owner');
  await shot(guest.page, 'failed-guest');
  console.error(await screenText(owner.page), guest.errors, owner.errors);
  throw error;
} finally {
  await owner.context.close();
  await guest.context.close();
}
