//! Text that scrolls past within one read is never drawn.
//!
//! Where a stretch of text without escape sequences moves the cursor down by more rows than the screen has, only its end
//! can be seen: nothing before its last screenful leaves anything but the number of lines that scrolled by. So that part
//! is only measured. It ends behind a carriage return and line feed, where the column is known without drawing.

use memchr::{memchr_iter, memrchr_iter};

use crate::charset::Charset;
use crate::runs::{is_printable, printable_run, text_run};
use crate::terminal::Terminal;
use crate::utf8::Decoder;
use crate::width::width;

/// Shorter stretches are drawn sooner than measured.
const MIN_BYTES: usize = 256;

/// How much of `bytes` was measured instead of drawn, and how much is text, so that what follows need not be asked again
/// before. The parser is in its ground state.
pub(crate) struct Skipped {
    pub(crate) bytes: usize,
    pub(crate) text: usize,
}

pub(crate) fn skip(bytes: &[u8], terminal: &mut Terminal) -> Skipped {
    let text = text_run(bytes);
    let nothing = Skipped { bytes: 0, text };
    if text < MIN_BYTES || !scrolls_plainly(terminal) {
        return nothing;
    }
    let Some(end) = last_screenful(&bytes[..text], terminal.active.height()) else { return nothing };
    let downs = Walk::new(terminal).over(&bytes[..end]);
    let bottom = terminal.active.height() - 1;
    // All rows are only replaced from the last one on.
    let Some(scrolled) = (terminal.active.y + downs).checked_sub(bottom) else { return nothing };
    if !terminal.in_alternate {
        terminal.active.above += scrolled as u64;
        terminal.lines += scrolled as u64;
    }
    (terminal.active.x, terminal.active.y) = (0, bottom);
    (terminal.joins, terminal.printing) = (0, false);
    Skipped { bytes: end, text }
}

/// Whether characters are as wide as they are and each row below the last scrolls the whole screen.
fn scrolls_plainly(terminal: &Terminal) -> bool {
    let modes = terminal.modes;
    terminal.active.is_unmargined() && modes.wraparound && !modes.insert && terminal.charsets.current == Charset::Ascii
}

/// Where a part begins with line feeds for a screenful, behind a carriage return and line feed.
fn last_screenful(text: &[u8], height: usize) -> Option<usize> {
    let mut feeds = memrchr_iter(b'\n', text).skip(height);
    feeds.find(|at| *at > 0 && text[at - 1] == b'\r').map(|at| at + 1)
}

/// The cursor's way through text.
struct Walk<'a> {
    terminal: &'a Terminal,
    x: usize,
    joins: usize,
    downs: usize,
}

impl Walk<'_> {
    fn new(terminal: &Terminal) -> Walk<'_> {
        Walk { terminal, x: terminal.active.x, joins: terminal.joins, downs: 0 }
    }

    /// How many rows it goes down.
    fn over(mut self, text: &[u8]) -> usize {
        let mut start = 0;
        for feed in memchr_iter(b'\n', text) {
            let line = &text[start..feed];
            match line.split_last() {
                Some((b'\r', line)) if is_printable(line) => self.columns(line.len()),
                _ => self.line(line),
            }
            // Whether or not there was a carriage return, `line` saw it.
            if matches!(line.last(), Some(b'\r')) || self.terminal.lasting.newline {
                self.x = 0;
            }
            if self.x >= self.terminal.active.cols() {
                self.x -= 1;
            }
            self.joins = 0;
            self.downs += 1;
            start = feed + 1;
        }
        self.downs
    }

    /// Over characters of one column each.
    fn columns(&mut self, count: usize) {
        let cols = self.terminal.active.cols();
        let end = self.x.min(cols) + count;
        if count > 0 && end > cols {
            let wraps = (end - 1) / cols;
            self.downs += wraps;
            self.x = end - wraps * cols;
        } else {
            self.x += count;
        }
    }

    fn line(&mut self, mut line: &[u8]) {
        while !line.is_empty() {
            let run = printable_run(line);
            if run > 0 {
                self.columns(run);
                self.joins = 1;
                line = &line[run..];
                continue;
            }
            let taken = match line {
                [b'\t', ..] => {
                    self.tab();
                    1
                }
                [b'\r', ..] => {
                    (self.x, self.joins) = (0, 0);
                    1
                }
                [lead @ 0xc2..0xe0, last @ 0x80..0xc0, ..] => {
                    self.char(u32::from(lead & 0x1f) << 6 | u32::from(last & 0x3f));
                    2
                }
                _ => self.long(line),
            };
            line = &line[taken..];
        }
    }

    /// A character of any length, or none; its bytes.
    fn long(&mut self, text: &[u8]) -> usize {
        let length = 1 + text[1..].iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let mut decoder = Decoder::default();
        let codes = text[..length].iter().filter_map(|byte| decoder.push(*byte));
        codes.for_each(|code| self.char(code));
        length
    }

    fn tab(&mut self) {
        let buffer = &self.terminal.active;
        if self.x < buffer.cols() {
            self.x = buffer.tabs.after(self.x, buffer.cols());
        }
        self.joins = 0;
    }

    fn char(&mut self, code: u32) {
        let columns = width(code);
        if columns == 0 && self.joins > 0 && self.x > 0 {
            return;
        }
        if self.x + columns > self.terminal.active.cols() {
            self.downs += 1;
            self.x = 0;
        }
        self.x += columns.max(1);
        self.joins = columns;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Fed, state};

    #[test]
    fn lines_are_counted_without_being_drawn() {
        let check = |line: &str, rows: u64| {
            let input = format!("top{}", format!("{line}\r\n").repeat(1000));
            let mut fed = Fed::new(5, 20, "");
            let skipped = skip(input.as_bytes(), &mut fed.0.terminal);
            assert!(skipped.bytes > input.len() - 6 * (line.len() + 2) && skipped.text == input.len());
            assert_eq!(Fed::new(5, 20, &input).lines(), 1000 * rows - 4, "{line}");
        };
        check("", 1);
        check("short", 1);
        check("\ttab", 1);
        check("0123456789abcdefghi漢字", 2);
        check(&"0123456789".repeat(5)[3..], 3);
        check("ä\u{301}", 1);
    }

    fn token() -> impl Strategy<Value = Vec<u8>> {
        let fixed = |text: &'static str| Just(text.as_bytes().to_vec());
        prop_oneof![
            20 => "[ -~]{0,60}\r\n".prop_map(String::into_bytes),
            4 => "[a-zä漢\u{301}😀\t\r]{0,30}\r\n".prop_map(String::into_bytes),
            4 => "[a-z]{0,3}\n".prop_map(String::into_bytes),
            3 => "([a-z]{0,12}\r\n){20,60}".prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 0..6),
            1 => prop_oneof![
                fixed("\x1b[31;44m"), fixed("\x1b[m"), fixed("\x1b[2;4r"), fixed("\x1b[r"), fixed("\x1b[?7l"), fixed("\x1b[?7h"),
                fixed("\x1b[4h"), fixed("\x1b[4l"), fixed("\x1b[?1049h"), fixed("\x1b[?1049l"), fixed("\x1b[2;9H"), fixed("\x1b(0"),
                fixed("\x1b(B"), fixed("\x1b[20h"), fixed("\x1b[20l"), fixed("\x1b[3g"), fixed("\x1b7"), fixed("\x1b8"),
            ],
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn a_stream_fed_at_once_is_as_if_fed_byte_by_byte(tokens in vec(token(), 1..80)) {
            let stream = tokens.concat();
            let (mut at_once, mut by_byte) = (Fed::new(5, 20, ""), Fed::new(5, 20, ""));
            at_once.0.feed(&stream);
            stream.iter().for_each(|byte| by_byte.0.feed(&[*byte]));
            prop_assert_eq!(state(&at_once.0), state(&by_byte.0));
            prop_assert_eq!(at_once.0.snapshot(), by_byte.0.snapshot());
            prop_assert_eq!(at_once.lines(), by_byte.lines());
            prop_assert_eq!(at_once.answers(), by_byte.answers());
        }
    }
}
