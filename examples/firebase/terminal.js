// The terminal: xterm.js on a plain WebSocket.
import { Terminal } from 'https://cdn.jsdelivr.net/npm/@xterm/xterm@6.0.0/lib/xterm.mjs';

/** Shows a socket's terminal in an element, tells how it goes, and returns what closes both. */
export function show(element, socket, say) {
  // A plain client does not choose the size of the terminal.
  const terminal = new Terminal({ cols: 80, rows: 24, cursorBlink: true });
  terminal.open(element);
  terminal.focus();
  const encoder = new TextEncoder();
  const over = new AbortController();
  const on = (name, tell) => socket.addEventListener(name, tell, { signal: over.signal });
  terminal.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(encoder.encode(text)));
  // Podling answers a program's questions to its terminal by itself, also when nobody watches.
  for (const final of ['c', 'n']) terminal.parser.registerCsiHandler({ final }, () => true);
  on('open', () => say('Connected'));
  on('message', ({ data }) => terminal.write(new Uint8Array(data)));
  on('close', ({ code, reason }) => say(code === 1000 ? `Ended: ${reason}` : `Closed (${code})`));
  element.terminal = terminal;
  return () => {
    over.abort(); // What follows is our own doing, and no news.
    socket.close();
    terminal.dispose();
  };
}
