// Browsers let the timers of a hidden tab run once a second or less. xterm.js parses in steps of 12 ms with a timer
// without delay between them, so that a hidden tab would fall behind whatever the program prints. Those timers, and no
// others, therefore run as messages while the tab is hidden.

/**
 * What of a window this uses, and replaces.
 * @typedef {{ setTimeout: (act: () => void, delay?: number, ...rest: any[]) => number, clearTimeout: (id?: number) => void,
 *   document: { visibilityState: string } }} Scope
 */

/** @param {Scope} scope @param {MessageChannel} channel */
export function tickWhileHidden(scope, channel = new MessageChannel()) {
  const later = scope.setTimeout.bind(scope);
  const cancel = scope.clearTimeout.bind(scope);
  /** @type {Map<number, () => void>} */
  const due = new Map();
  const run = (/** @type {number} */ id) => {
    const act = due.get(id);
    scope.clearTimeout(id);
    act?.();
  };
  channel.port1.onmessage = ({ data: id }) => run(id);
  scope.setTimeout = (act, delay = 0, ...rest) => {
    if (delay > 0 || scope.document.visibilityState === "visible") return later(act, delay, ...rest);
    const id = later(() => run(id), 0);
    due.set(id, act);
    channel.port2.postMessage(id);
    return id;
  };
  scope.clearTimeout = (id) => {
    if (id !== undefined) due.delete(id);
    cancel(id);
  };
}
