//! What programs write: no bytes harm a screen, pieces of them mean what the whole means, and a snapshot makes a screen in any
//! state look like this one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use podling_screen::Screen;
use podling_session::size::WindowSize;

const NO_WRAP: &[u8] = b"\x1b[?7l";

fuzz_target!(|input: (u8, u8, u16, &[u8])| {
    let (rows, cols, cut, bytes) = input;
    let size = |rows: u8, cols: u8| WindowSize::new(u32::from(rows % 8) + 5, u32::from(cols / 8) + 20).expect("a size");
    let (before, after) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let (mut whole, mut pieces) = (Screen::new(size(rows, rows)), Screen::new(size(rows, rows)));
    whole.feed(before);
    before.iter().for_each(|byte| pieces.feed(std::slice::from_ref(byte)));
    // Not wider: what was cut at the edge would lie within the row, where nothing that is printed can bring it about.
    let resized = size(cols, cols.min(rows));
    whole.resize(resized);
    pieces.resize(resized);
    whole.feed(after);
    after.chunks(3).for_each(|piece| pieces.feed(piece));
    assert_eq!((pieces.text(), pieces.cursor()), (whole.text(), whole.cursor()));
    assert_eq!(pieces.take_answers(), whole.take_answers());
    if whole.is_ground() {
        let snapshot = whole.snapshot();
        let mut other = Screen::new(resized);
        other.feed(before); // Any state, even within a sequence.
        other.feed(&snapshot);
        // What stands alone at the edge without wraparound can be beyond any snapshot.
        if !snapshot.windows(NO_WRAP.len()).any(|window| window == NO_WRAP) {
            assert_eq!((other.text(), other.cursor()), (whole.text(), whole.cursor()));
        }
    }
});
