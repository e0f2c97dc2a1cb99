//! A terminal's screen, followed from the bytes of its PTY.
//!
//! It keeps the screen and not the history, answers what programs ask their terminal, and can describe itself as escape
//! sequences that bring any other terminal to the same state. What bytes mean is what they mean to xterm.js 6 with the
//! widths of Unicode 11, down to its oddities: a viewer that got a description and then the bytes after it must see what
//! a viewer sees that got every byte. `tests/` asks xterm.js itself.
//!
//! No I/O, no clock: a function of the bytes and sizes it was given. Memory stays in proportion to the screen.

mod attr;
mod cell;
mod charset;
mod modes;
mod params;
mod rare;
mod row;
mod tabs;
mod utf8;
mod width;
mod width_ranges;

mod buffer;
mod palette;
mod terminal;

mod cursor;
mod erase;
mod print;
mod scroll;
mod sgr;
mod switch;

mod answers;
mod csi;
mod dcs;
mod osc;
mod parser;
mod runs;
mod skip;

mod draw;
mod pen;
mod snapshot;
mod text;

#[cfg(test)]
mod testing;

use podling_session::size::WindowSize;

use crate::parser::Parser;
use crate::terminal::Terminal;

/// A place on the screen, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub row: usize,
    /// A character that awaits the next to wrap leaves it in the last column.
    pub col: usize,
    pub visible: bool,
}

pub struct Screen {
    parser: Parser,
    terminal: Terminal,
}

impl Screen {
    pub fn new(size: WindowSize) -> Screen {
        Screen { parser: Parser::default(), terminal: Terminal::new(size) }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.parser.feed(bytes, &mut self.terminal);
    }

    /// Feeds up to and including the first byte after which nothing is under way, neither a sequence nor a character; says
    /// how many bytes were taken. `None` when there is no such byte: then all were taken.
    pub fn feed_to_ground(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = bytes.iter().position(|byte| {
            self.parser.byte(*byte, &mut self.terminal);
            self.is_ground()
        });
        end.map(|end| end + 1)
    }

    /// Whether a snapshot taken now is complete: no sequence and no character is under way. Strings over 64 KiB do
    /// nothing any more, and a snapshot within one begins another, so that its rest is not drawn.
    pub fn is_ground(&self) -> bool {
        self.parser.is_ground()
    }

    /// Text stays in its rows: cut on the right, and where rows are too many scrolled off, but for blank ones below the
    /// cursor. Margins are reset.
    pub fn resize(&mut self, size: WindowSize) {
        self.terminal.resize(size);
    }

    pub fn size(&self) -> WindowSize {
        self.terminal.size
    }

    /// Escape sequences that bring a terminal of this size from any state, even within a sequence, to this one. They leave
    /// its scrollback alone. Taken when `is_ground` is not, the sequence under way is lost.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = snapshot::snapshot(&self.terminal);
        bytes.extend_from_slice(self.parser.opening().as_bytes());
        bytes
    }

    /// Where the next character goes, and whether that is shown.
    pub fn cursor(&self) -> Cursor {
        let (x, y) = (self.terminal.active.x, self.terminal.active.y);
        let last = usize::from(self.terminal.size.cols()) - 1;
        Cursor { row: y, col: x.min(last), visible: !self.terminal.lasting.cursor_hidden }
    }

    /// What the program asked and was not yet told: bytes for its input, in order. At most 16 KiB; answers to a program
    /// that asks for more without reading are dropped.
    pub fn take_answers(&mut self) -> Vec<u8> {
        self.terminal.answers.take()
    }

    /// How many lines have scrolled off the top of the normal screen, ever.
    pub fn lines(&self) -> u64 {
        self.terminal.lines
    }

    /// The visible text: a line for each row, without the blanks at its end.
    pub fn text(&self) -> String {
        text::text(&self.terminal)
    }
}
