//! Which sequence does what. What is not here does nothing, as in xterm.js.

use crate::charset::Charset;
use crate::params::Params;
use crate::row::Erase;
use crate::terminal::Terminal;

/// What a sequence is called: an optional prefix, intermediates, the final byte. 0 is absent; of several intermediates,
/// which no known sequence has, there is `MANY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) prefix: u8,
    pub(crate) intermediate: u8,
}

impl Name {
    const MANY: u8 = 0xff;

    pub(crate) fn collect(&mut self, byte: u8) {
        match (byte, self.intermediate) {
            (b'<'..=b'?', _) => self.prefix = byte,
            (_, 0) => self.intermediate = byte,
            _ => self.intermediate = Name::MANY,
        }
    }
}

impl Terminal {
    pub(crate) fn control(&mut self, name: Name, last: u8, params: &Params) {
        match (name.prefix, name.intermediate) {
            (0, 0) => self.plain_control(last, params),
            (b'?', 0) => self.private_control(last, params),
            (prefix, intermediate) => self.other_control(prefix, intermediate, last, params),
        }
        self.joins = 0;
    }

    fn plain_control(&mut self, last: u8, params: &Params) {
        let count = params.count(0);
        match last {
            b'm' => self.select_graphics(params),
            b'H' | b'f' => self.set_cursor(params.count(1) - 1, count - 1),
            b'A' => self.cursor_up(count),
            b'B' => self.cursor_down(count),
            b'C' | b'a' => self.cursor_forward(count),
            b'D' => self.cursor_backward(count),
            b'E' => {
                self.cursor_down(count);
                self.active.x = 0;
            }
            b'F' => {
                self.cursor_up(count);
                self.active.x = 0;
            }
            b'G' | b'`' => self.set_column(count - 1),
            b'd' => self.set_row(count - 1),
            b'e' => self.row_forward(count),
            b'I' => self.tab(count),
            b'Z' => self.tab_back(count),
            b'g' => self.clear_tabs(params.get(0)),
            b'J' => self.erase_display(params.get(0), Erase::All),
            b'K' => self.erase_line(params.get(0), Erase::All),
            b'X' => self.erase_chars(count),
            b'@' => self.insert_chars(count),
            b'P' => self.delete_chars(count),
            b'L' => self.insert_lines(count),
            b'M' => self.delete_lines(count),
            b'S' => self.scroll_up(count),
            b'T' => self.scroll_down(count),
            b'b' => self.repeat(count),
            b'h' => params.values().iter().for_each(|mode| self.switch(*mode, true)),
            b'l' => params.values().iter().for_each(|mode| self.switch(*mode, false)),
            b'r' => self.set_margins(count, usize::try_from(params.get(1)).unwrap_or(0)),
            b's' => self.save_cursor(),
            b'u' => self.restore_cursor(),
            b'c' => self.answer_attributes(params.get(0)),
            b'n' => self.answer_status(params.get(0), ""),
            b't' if params.get(0) == 18 => self.answer_size(),
            _ => {}
        }
    }

    fn private_control(&mut self, last: u8, params: &Params) {
        match last {
            b'h' => params.values().iter().for_each(|mode| self.switch_private(*mode, true)),
            b'l' => params.values().iter().for_each(|mode| self.switch_private(*mode, false)),
            b'J' => self.erase_display(params.get(0), Erase::Unprotected),
            b'K' => self.erase_line(params.get(0), Erase::Unprotected),
            b'n' => self.answer_status(params.get(0), "?"),
            _ => {}
        }
    }

    fn other_control(&mut self, prefix: u8, intermediate: u8, last: u8, params: &Params) {
        let (param, count) = (params.get(0), params.count(0));
        match (prefix, intermediate, last) {
            (b'>', 0, b'c') => self.answer_secondary_attributes(param),
            (b'=', 0, b'c') => self.answer_unit(param),
            (b'>', 0, b'q') => self.answer_version(param),
            (0, b'$', b'p') => self.answer_mode(param),
            (b'?', b'$', b'p') => self.answer_private_mode(param),
            (0, b'!', b'p') => self.soft_reset(),
            (0, b' ', b'q') => self.modes.cursor.set(param),
            (0, b'"', b'q') => self.select_protected(param),
            (0, b' ', b'@') => self.scroll_left(count),
            (0, b' ', b'A') => self.scroll_right(count),
            (0, b'\'', b'}') => self.insert_columns(count),
            (0, b'\'', b'~') => self.delete_columns(count),
            _ => {}
        }
    }

    pub(crate) fn escape(&mut self, intermediate: u8, last: u8) {
        match (intermediate, last) {
            (0, b'7') => self.save_cursor(),
            (0, b'8') => self.restore_cursor(),
            (0, b'D') => self.index(),
            (0, b'E') => self.next_line(),
            (0, b'H') => self.active.tabs.set(self.active.x),
            (0, b'M') => self.reverse_index(),
            (0, b'Z') => self.answer_attributes(0),
            (0, b'=') => self.modes.application_keypad = true,
            (0, b'>') => self.modes.application_keypad = false,
            (0, b'c') => self.full_reset(),
            (0, b'~') => self.charsets.shift(1),
            (0, b'n' | b'}') => self.charsets.shift(2),
            (0, b'o' | b'|') => self.charsets.shift(3),
            (b'%', b'@' | b'G') => {
                self.charsets.shift(0);
                self.charsets.designate(0, Charset::Ascii);
            }
            (b'#', b'8') => self.align(),
            (slot, last) => self.designate(slot, last),
        }
        self.joins = 0;
    }

    fn designate(&mut self, slot: u8, last: u8) {
        let level = match slot {
            b'(' => 0,
            b')' | b'-' => 1,
            b'*' | b'.' => 2,
            b'+' => 3,
            _ => return,
        };
        if let Some(set) = Charset::named(last) {
            self.charsets.designate(level, set);
        }
    }

    /// C0 and C1, but for those that the parser takes itself.
    pub(crate) fn execute(&mut self, code: u32) {
        match code {
            0x08 => self.backspace(),
            0x09 => self.tab(1),
            0x0a..=0x0c => self.line_feed(),
            0x0d => self.active.x = 0,
            0x0e => self.charsets.shift(1),
            0x0f => self.charsets.shift(0),
            0x84 => self.index(),
            0x85 => self.next_line(),
            0x88 => self.active.tabs.set(self.active.x),
            0x9a => self.answer_attributes(0),
            _ => {}
        }
        self.joins = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fed;

    #[test]
    fn several_intermediates_name_nothing() {
        let check = |collected: &[u8], prefix, intermediate| {
            let mut name = Name::default();
            collected.iter().for_each(|byte| name.collect(*byte));
            assert_eq!(name, Name { prefix, intermediate });
        };
        check(b"", 0, 0);
        check(b"?$", b'?', b'$');
        check(b"  ", 0, Name::MANY);
    }

    #[test]
    fn unknown_sequences_do_nothing() {
        let check = |input: &str| assert_eq!(Fed::new(5, 20, &format!("a{input}b")).text(), "ab", "{input:?}");
        check("\x1b[?5W");
        check("\x1b[<1;2M");
        check("\x1b[ !p");
        check("\x1b(x");
        check("\x1b[22;0t");
        check("\x1b[>4;1m");
        check("\x1b[=1u");
    }
}
