// The page against a server that a scenario plays itself, to the byte: what the real one does only under load or by
// chance. The files come from web/, the socket is playwright's.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export const ORIGIN = 'http://double.test';
export const PAGE = `${ORIGIN}/ws/0198c0de-0000-7000-8000-000000000000?token=a.b.c`;
const WEB = fileURLToPath(new URL('../../web', import.meta.url));
const KINDS = { mjs: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', html: 'text/html; charset=utf-8' };
const PATIENCE = 20_000;

/** Serves the page; each of its connections is handed to `next()`, in order. */
export async function serve(page) {
  await page.route(`${ORIGIN}/**`, async (route) => {
    const path = new URL(route.request().url()).pathname;
    const file = path.startsWith('/ws/') ? 'src/terminal.html' : path.replace('/assets/', '');
    const body = await readFile(join(WEB, file));
    const text = file.endsWith('.html') ? body.toString().replaceAll('{{assets}}', '/assets') : body;
    await route.fulfill({ contentType: KINDS[file.split('.').at(-1)], body: text });
  });
  const arrived = [];
  const wanted = [];
  await page.routeWebSocket(/\/ws\//, (socket) => {
    const connection = new Connection(socket);
    const taker = wanted.shift();
    if (taker) taker(connection);
    else arrived.push(connection);
  });
  return {
    next: () => within('a connection', new Promise((take) => (arrived.length ? take(arrived.shift()) : wanted.push(take)))),
  };
}

/** One connection of the page, as its server sees it. */
export class Connection {
  #socket;
  #waiting = [];
  /** What the page sent: `{ kind, bytes }`, without the bytes' first. */
  frames = [];

  constructor(socket) {
    this.#socket = socket;
    socket.onMessage((message) => {
      this.frames.push({ kind: message[0], bytes: Buffer.from(message.subarray(1)) });
      for (const check of this.#waiting.slice()) check();
    });
  }

  get query() {
    return Object.fromEntries(new URL(this.#socket.url()).searchParams);
  }

  admit({ generation = 1, rows = 24, cols = 80 } = {}) {
    this.send(0x08, u32(generation), 'resume.token');
    this.resized(rows, cols);
  }

  resized(rows, cols) {
    this.send(0x05, u16(rows), u16(cols));
  }

  output(offset, text, { replay = false } = {}) {
    this.send(0x01, Buffer.of(replay ? 1 : 0), u64(offset), text);
    return offset + Buffer.byteLength(text);
  }

  snapshot(offset, text, { rows = 24, cols = 80 } = {}) {
    this.send(0x02, Buffer.of(0), u64(offset), u16(rows), u16(cols), text);
  }

  skipped(from, to) {
    this.send(0x03, u64(from), u64(to));
  }

  inputTaken(total) {
    this.send(0x0c, u64(total));
  }

  fetched(offset, bytes) {
    this.send(0x0d, u64(offset), bytes);
  }

  cut() {
    this.#socket.close({ code: 1001, reason: 'drained' });
  }

  send(kind, ...parts) {
    this.#socket.send(Buffer.concat([Buffer.of(kind), ...parts.map((part) => Buffer.from(part))]));
  }

  /** The input so far. */
  get typed() {
    return Buffer.concat(this.frames.filter(({ kind }) => kind === 0x20).map(({ bytes }) => bytes));
  }

  /** The highest offset that was acked. */
  get acked() {
    return Math.max(0, ...this.frames.filter(({ kind }) => kind === 0x21).map(({ bytes }) => Number(bytes.readBigUInt64BE())));
  }

  /** What was asked for so far. */
  get questions() {
    const asked = this.frames.filter(({ kind }) => kind === 0x26);
    return asked.map(({ bytes }) => ({ from: Number(bytes.readBigUInt64BE(0)), to: Number(bytes.readBigUInt64BE(8)) }));
  }

  /** Waits until what the page sent makes this true. */
  until(what, check) {
    const holds = new Promise((done) => {
      const look = () => {
        if (!check(this)) return false;
        this.#waiting = this.#waiting.filter((other) => other !== look);
        done(undefined);
        return true;
      };
      if (!look()) this.#waiting.push(look);
    });
    return within(what, holds);
  }
}

function within(what, promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`waited in vain for ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function u16(number) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(number);
  return bytes;
}

function u32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

function u64(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(number));
  return bytes;
}
