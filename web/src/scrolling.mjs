// xterm.js 6.0.0 brings its scrollbar up to date with each line that scrolls: positions, events and two timers, which
// takes longer than drawing a short line. Once for each picture is enough, and xterm.js has a way for that already
// (`queueSync`), which it uses when a window is resized.

/** The part of xterm.js's inside that this changes. */
/** @typedef {{ _sync?: (ydisp?: number) => void, queueSync?: () => void }} Viewport */

/** @param {import("../vendor/xterm.mjs").Terminal} term which is open; another version's is left as it is */
export function syncScrollbarOncePerPicture(term) {
  const { _core } = /** @type {{ _core?: { _viewport?: Viewport } }} */ (/** @type {unknown} */ (term));
  const viewport = _core?._viewport;
  const sync = viewport?._sync;
  if (viewport === undefined || sync === undefined || viewport.queueSync === undefined) return;
  let scrolled = false;
  viewport._sync = (...ydisp) => {
    if (ydisp.length === 0) {
      scrolled = true;
      viewport.queueSync?.();
    } else {
      // A position that was asked for before the lines scrolled is none any more.
      sync.apply(viewport, scrolled ? [] : ydisp);
      scrolled = false;
    }
  };
}
