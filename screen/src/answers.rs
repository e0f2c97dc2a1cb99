//! What the program asked its terminal, answered once, whether or not anybody watches.
//!
//! `web/src/queries.mjs` keeps these questions from the viewers' terminals. What it strips and what is not here is not
//! answered on purpose: window reports in pixels and of titles (11, 13 to 16, 19 to 21 `t`), presentation reports and
//! checksums (DECRQPSR, DECRQCRA), sixel, kitty's keyboard and key modifier settings, the clipboard, colours beyond OSC 4 and 10 to 12. A
//! program takes silence for a terminal without them, which is what the page is.

use crate::terminal::Terminal;

/// For a program that asks and does not read: it gets no more than that.
const MAX_BYTES: usize = 16 * 1024;

#[derive(Default)]
pub(crate) struct Answers(Vec<u8>);

impl Answers {
    /// Whole or not at all.
    pub(crate) fn push(&mut self, answer: &str) {
        if self.0.len() + answer.len() <= MAX_BYTES {
            self.0.extend_from_slice(answer.as_bytes());
        }
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// DECRQM's answer about a mode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    No = 0,
    Set = 1,
    Reset = 2,
    AlwaysSet = 3,
    AlwaysReset = 4,
}

impl From<bool> for Known {
    fn from(on: bool) -> Known {
        if on { Known::Set } else { Known::Reset }
    }
}

impl Terminal {
    /// DA1: a VT100 with advanced video, as xterm.js says.
    pub(crate) fn answer_attributes(&mut self, param: i32) {
        if param <= 0 {
            self.answers.push("\x1b[?1;2c");
        }
    }

    /// DA2.
    pub(crate) fn answer_secondary_attributes(&mut self, param: i32) {
        if param <= 0 {
            self.answers.push("\x1b[>0;276;0c");
        }
    }

    /// DA3: the unit has no number.
    pub(crate) fn answer_unit(&mut self, param: i32) {
        if param <= 0 {
            self.answers.push("\x1bP!|00000000\x1b\\");
        }
    }

    /// XTVERSION.
    pub(crate) fn answer_version(&mut self, param: i32) {
        if param <= 0 {
            self.answers.push(concat!("\x1bP>|podling ", env!("CARGO_PKG_VERSION"), "\x1b\\"));
        }
    }

    /// DSR and CPR; the position is that on the screen, also in origin mode,
    /// and one column behind the last while a wrap is pending, as in xterm.js.
    pub(crate) fn answer_status(&mut self, param: i32, prefix: &str) {
        match (param, prefix) {
            (5, "") => self.answers.push("\x1b[0n"),
            (6, _) => {
                let (x, y) = (self.active.x + 1, self.active.y + 1);
                self.answers.push(&format!("\x1b[{prefix}{y};{x}R"));
            }
            _ => {}
        }
    }

    /// `CSI 18 t`.
    pub(crate) fn answer_size(&mut self) {
        self.answers.push(&format!("\x1b[8;{};{}t", self.size.rows(), self.size.cols()));
    }

    /// DECRQM of an ANSI mode.
    pub(crate) fn answer_mode(&mut self, mode: i32) {
        let known = match mode {
            2 => Known::AlwaysReset,
            4 => self.modes.insert.into(),
            12 => Known::AlwaysSet,
            20 => self.lasting.newline.into(),
            _ => Known::No,
        };
        self.answers.push(&format!("\x1b[{mode};{}$y", known as u8));
    }

    /// DECRQM of a private mode.
    pub(crate) fn answer_private_mode(&mut self, mode: i32) {
        let known = self.private_mode(mode);
        self.answers.push(&format!("\x1b[?{mode};{}$y", known as u8));
    }

    fn private_mode(&self, mode: i32) -> Known {
        match mode {
            1 => self.modes.application_cursor.into(),
            6 => self.modes.origin.into(),
            7 => self.modes.wraparound.into(),
            8 => Known::AlwaysSet,
            // xterm says so, whatever was saved.
            1048 => Known::Set,
            9 | 1000 | 1002 | 1003 => (i32::from(self.lasting.mouse.protocol) == mode).into(),
            12 => self.lasting.cursor_blink.into(),
            25 => (!self.lasting.cursor_hidden).into(),
            45 => self.modes.reverse_wraparound.into(),
            47 | 1047 | 1049 => self.in_alternate.into(),
            66 => self.modes.application_keypad.into(),
            67 | 1005 | 1015 => Known::AlwaysReset,
            1004 => self.modes.send_focus.into(),
            1006 | 1016 => (i32::from(self.lasting.mouse.encoding) == mode).into(),
            2004 => self.modes.bracketed_paste.into(),
            2026 => self.modes.synchronized.into(),
            _ => Known::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    #[test]
    fn each_question_has_one_answer() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(24, 80, input).answers(), expected, "{input:?}");
        check("\x1b[c", "\x1b[?1;2c");
        check("\x1b[0c\x1bZ", "\x1b[?1;2c\x1b[?1;2c");
        check("\x1b[1c", "");
        check("\x1b[>c", "\x1b[>0;276;0c");
        check("\x1b[=c", "\x1bP!|00000000\x1b\\");
        check("\x1b[>0q", concat!("\x1bP>|podling ", env!("CARGO_PKG_VERSION"), "\x1b\\"));
        check("\x1b[5n", "\x1b[0n");
        check("\x1b[3;7H\x1b[6n\x1b[?6n", "\x1b[3;7R\x1b[?3;7R");
        check("\x1b[999;999Hx\x1b[6n", "\x1b[24;81R");
        check("\x1b[18t\x1b[14t\x1b[21t", "\x1b[8;24;80t");
        check("\x1b[?u", "");
        check("\u{9b}c", "\x1b[?1;2c");
    }

    #[test]
    fn modes_are_told() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(24, 80, input).answers(), expected, "{input:?}");
        check("\x1b[4$p\x1b[4h\x1b[4$p\x1b[99$p", "\x1b[4;2$y\x1b[4;1$y\x1b[99;0$y");
        check("\x1b[?2026$p\x1b[?7$p\x1b[?67$p", "\x1b[?2026;2$y\x1b[?7;1$y\x1b[?67;4$y");
        check("\x1b[?1002h\x1b[?1000$p\x1b[?1002$p", "\x1b[?1000;2$y\x1b[?1002;1$y");
        check("\x1b[?1049h\x1b[?47$p\x1b[?25l\x1b[?25$p", "\x1b[?47;1$y\x1b[?25;2$y");
    }

    #[test]
    fn a_program_that_does_not_read_gets_no_more() {
        let answers = Fed::new(24, 80, &"\x1b[6n".repeat(10_000)).answers();
        assert!(answers.len() <= super::MAX_BYTES && answers.ends_with('R'));
    }
}
