//! Characters onto the screen.

use crate::cell::{Cell, Content};
use crate::terminal::Terminal;
use crate::width::width;

/// REP repeats no more often: that many characters fill any honest request.
const MAX_REPEATS: usize = 1 << 16;

impl Terminal {
    /// Printable ASCII.
    pub(crate) fn print_ascii(&mut self, text: &[u8]) {
        if self.modes.insert || !self.modes.wraparound || self.charsets.current != crate::charset::Charset::Ascii {
            text.iter().for_each(|byte| self.print(u32::from(*byte)));
            return;
        }
        self.begin_printing();
        let look = Cell::BLANK.styled(self.style);
        let mut rest = text;
        while !rest.is_empty() {
            if self.active.x >= self.active.cols() {
                self.wrap();
            }
            let x = self.active.x;
            let (here, after) = rest.split_at(rest.len().min(self.active.cols() - x));
            self.active.line().write_ascii(x, here, look);
            self.active.x += here.len();
            rest = after;
        }
        self.joins = 1;
        self.end_printing();
    }

    /// One character that is no control.
    pub(crate) fn print(&mut self, code: u32) {
        self.begin_printing();
        let code = if code < 0x7f { self.charsets.current.map(code) } else { code };
        match width(code) {
            0 if self.joins > 0 && self.active.x > 0 => self.join(code),
            // With nothing to join it stands alone, as wide as what it cannot join.
            0 => self.place(code, self.joins),
            columns => {
                self.joins = columns;
                self.place(code, columns);
            }
        }
        self.end_printing();
    }

    /// A cursor in the middle of a wide character cuts it.
    fn begin_printing(&mut self) {
        if self.printing {
            return;
        }
        self.printing = true;
        let (x, style) = (self.active.x, self.style);
        let line = self.active.line();
        if x > 0 && line.width(x - 1) == 2 {
            line.empty(x - 1, style);
        }
    }

    /// What was printed over the first half of a wide character leaves its second half.
    fn end_printing(&mut self) {
        let (x, style) = (self.active.x, self.style);
        let line = self.active.line();
        if line.is_tail(x) {
            line.empty(x, style);
        }
    }

    fn place(&mut self, code: u32, columns: usize) {
        let cols = self.active.cols();
        if self.active.x + columns > cols {
            if self.modes.wraparound {
                self.wrap();
            } else {
                self.active.x = cols - 1;
                if columns == 2 {
                    return;
                }
            }
        }
        let (x, style, blank) = (self.active.x, self.style, Cell::new(0, 1, self.style));
        let insert = self.modes.insert;
        let line = self.active.line();
        if insert {
            line.insert(x, columns, blank);
        }
        line.set(x, Cell::new(code, columns, style));
        if columns == 2 {
            line.set(x + 1, Cell::new(0, 0, style));
        }
        self.active.x += columns.max(1);
    }

    /// Goes on in the next row, which remembers it.
    fn wrap(&mut self) {
        let (x, cols, rest) = (self.active.x, self.active.cols(), Cell::new(0, 1, self.style));
        self.active.line().fill(x, cols, rest);
        self.active.x = 0;
        if self.active.y == self.active.bottom {
            self.scroll();
        } else {
            self.active.y = (self.active.y + 1).min(self.active.height() - 1);
        }
        self.active.line().wrapped = true;
    }

    fn join(&mut self, code: u32) {
        let (before, columns) = (self.active.x - 1, self.joins);
        let y = self.active.y;
        let back = if self.active.line().width(before) > 0 { 0 } else { 1 };
        let Some(x) = before.checked_sub(back) else { return };
        let Some(mut cell) = self.active.row(y).cells().get(x).copied() else { return };
        self.rare.join(&mut cell, code);
        cell.set_width(columns);
        self.active.line().set(x, cell);
        self.tidy();
    }

    /// REP.
    pub(crate) fn repeat(&mut self, times: usize) {
        let (columns, x, y) = (self.joins, self.active.x, self.active.y);
        self.printing = false;
        let Some(cell) = x.checked_sub(columns).and_then(|x| self.active.row(y).cells().get(x)).copied() else {
            return;
        };
        let text: String = match cell.content() {
            _ if columns == 0 => return,
            Content::Nothing => return,
            Content::Char(code) => char::from_u32(code).into_iter().collect(),
            Content::Combined(index) => self.rare.combined(index).to_owned(),
        };
        for _ in 0..times.min(MAX_REPEATS) {
            text.chars().for_each(|c| self.print(u32::from(c)));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    fn check(input: &str, expected: &str, cursor: (usize, usize)) {
        let fed = Fed::new(5, 20, input);
        assert_eq!((fed.text().as_str(), fed.cursor()), (expected, cursor), "{input:?}");
    }

    #[test]
    fn text_wraps_when_the_next_character_comes() {
        check("0123456789abcdefghij", "0123456789abcdefghij", (20, 0));
        check("0123456789abcdefghijk", "0123456789abcdefghij\nk", (1, 1));
        check("0123456789abcdefghij\rX", "X123456789abcdefghij", (1, 0));
        check("0123456789abcdefghij\nX", "0123456789abcdefghij\n                   X", (20, 1));
        check("\x1b[?7l0123456789abcdefghijkl", "0123456789abcdefghil", (20, 0));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        check("a漢b", "a漢b", (4, 0));
        check("0123456789abcdefghi漢", "0123456789abcdefghi\n漢", (2, 1));
        check("漢\x1b[2GX", " X", (2, 0));
        check("漢\x1b[1GX", "X", (1, 0));
        check("\x1b[?7l0123456789abcdefghi漢", "0123456789abcdefghi", (19, 0));
    }

    #[test]
    fn combining_characters_join_the_one_before() {
        check("e\u{301}x", "e\u{301}x", (2, 0));
        check("漢\u{301}x", "漢\u{301}x", (3, 0));
        check("0123456789abcdefghij\u{301}", "0123456789abcdefghij\u{301}", (20, 0));
    }

    #[test]
    fn insert_mode_moves_the_rest_of_the_row() {
        check("abc\x1b[H\x1b[4hX漢", "X漢abc", (3, 0));
    }

    #[test]
    fn rep_repeats_what_was_just_printed() {
        check("ab\x1b[3b", "abbbb", (5, 0));
        check("漢\x1b[2b", "漢漢漢", (6, 0));
        check("ab\x1b[3b\x1b[3b", "abbbb", (5, 0));
        check("ab\r\x1b[3b", "ab", (0, 0));
    }

    #[test]
    fn charsets_replace_ascii() {
        check("\x1b(0lqk\x1b(Bq", "┌─┐q", (4, 0));
        check("\x1b)0\x0eq\x0fq", "─q", (2, 0));
    }
}
