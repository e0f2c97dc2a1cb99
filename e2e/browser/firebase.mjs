// Two people with the example of a front end: each signs up, creates a session, sees its terminal, and finds nothing of
// the other's. Arguments: the port of the page, Podling's URL, the emulator's. Prints an ID token.
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';
import { open, shot } from './chromium.mjs';

const [port, podling, emulator] = process.argv.slice(2);
const origin = `http://127.0.0.1:${port}`;
const e2e = join(import.meta.dirname, '..');
const example = join(e2e, '../examples/firebase');
const modules = join(e2e, 'firebase/node_modules');
const types = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript', css: 'text/css' };
const typeOf = (path) => types[path.split('.').pop()];

/** The example as it is, but for what its users change. */
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, origin).pathname.replace(/^\/$/, '/index.html'));
  if (!typeOf(path)) return response.writeHead(204).end(); // A favicon.
  let text = readFileSync(join(example, path), 'utf8');
  if (path === '/config.js') text = text.replace('http://127.0.0.1:8080', podling).replace('http://127.0.0.1:9099', emulator);
  return response.writeHead(200, { 'Content-Type': typeOf(path) }).end(text);
});
await new Promise((done) => server.listen(Number(port), '127.0.0.1', done));

const { context, page, outside } = await open(origin, { width: 1000, height: 760 });

/** What the page loads from the wide web, from the packages that it is made of. */
async function answerFor(prefix, folder) {
  await context.route(`${prefix}**`, (route) => {
    const path = join(folder, new URL(route.request().url()).href.slice(prefix.length));
    const headers = { 'Access-Control-Allow-Origin': '*', 'Content-Type': typeOf(path) };
    return route.fulfill({ body: readFileSync(path), headers });
  });
}

const said = (text) => page.waitForFunction((wanted) => document.querySelector('#said').textContent.includes(wanted), text);

function screen(text) {
  return page.waitForFunction((wanted) => {
    const buffer = document.querySelector('#terminal').terminal?.buffer.active;
    const lines = Array.from({ length: buffer?.length ?? 0 }, (_, y) => buffer.getLine(y).translateToString(true));
    return lines.join('\n').includes(wanted);
  }, text);
}

async function signUp(email) {
  await page.fill('#email', email);
  await page.fill('#password', 'correct horse');
  await page.click('#join');
  await said(`Signed in as ${email}`);
}

async function signIn(email, password) {
  await page.fill('#email', email);
  await page.fill('#password', password);
  await page.click('#enter');
}

/** A session with a shell, which has said what it was told to. Its uid. */
async function session(word) {
  const created = page.waitForResponse((response) => response.url() === `${podling}/api/sessions` && response.request().method() === 'POST');
  await page.fill('#command', 'exec bash --norc');
  await page.click('#start');
  const response = await created;
  assert.equal(response.status(), 201);
  const { uid } = await response.json();
  await said('Connected');
  await page.keyboard.type(`echo ${word} $((40 + 2))\n`);
  await screen(`${word} 42`);
  return { uid, token: response.request().headers().authorization.replace('Bearer ', '') };
}

/** Statuses of everything that can be asked of a session, from the page. */
function ask(uid, token) {
  return page.evaluate(async ([url, token]) => {
    const status = async (method, rest) => {
      const response = await fetch(url + rest, { method, headers: { Authorization: `Bearer ${token}` } });
      return response.status;
    };
    return [await status('GET', ''), await status('POST', '/token'), await status('POST', '/stop'), await status('DELETE', '')];
  }, [`${podling}/api/sessions/${uid}`, token]);
}

try {
  await answerFor('https://www.gstatic.com/firebasejs/12.19.0/', join(modules, 'firebase'));
  await answerFor('https://cdn.jsdelivr.net/npm/@xterm/xterm@6.0.0/', join(modules, '@xterm/xterm'));
  await page.goto(origin);
  await signUp('ann@example.org');
  const ann = await session('ann');
  await shot(page, 'firebase');
  await page.click('#leave');
  await said('Sign in, or sign up');

  await signUp('bob@example.org');
  const bob = await session('bob');
  assert.notEqual(ann.token, bob.token);
  assert.deepEqual(await ask(ann.uid, bob.token), [404, 404, 404, 404], "another's session is as if it were not");
  const forged = `${ann.token.slice(0, -1)}.AAAA`;
  assert.deepEqual(await ask(ann.uid, forged), [401, 401, 401, 401]);
  await page.click('#leave');
  await said('Sign in, or sign up');

  await signIn('ann@example.org', 'wrong horse');
  await said('Firebase: Error');
  await signIn('ann@example.org', 'correct horse');
  await said('Signed in as ann@example.org');
  assert.deepEqual(await ask(bob.uid, ann.token), [404, 404, 404, 404]);
  assert.deepEqual(await ask(ann.uid, ann.token), [200, 200, 200, 200]);
  assert.deepEqual(await ask(ann.uid, ann.token), [404, 404, 404, 404], 'and gone once it is deleted');

  const known = [podling, podling.replace('http', 'ws'), emulator, 'https://www.gstatic.com/', 'https://cdn.jsdelivr.net/'];
  assert.deepEqual(outside.filter((url) => !known.some((prefix) => url.startsWith(prefix))), [], 'nobody else is asked');
  assert.ok(!outside.some((url) => url.includes(ann.token)), 'no ID token stands in a URL');
  console.log(`token ${bob.token}`);
} catch (error) {
  await shot(page, 'firebase-failed');
  console.error(await page.textContent('body'));
  throw error;
} finally {
  await context.close();
  server.close();
}
