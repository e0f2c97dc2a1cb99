//! What goes from the screen, and what moves up for it within rows.

use crate::cell::Cell;
use crate::row::{Erase, Row};
use crate::terminal::Terminal;

impl Terminal {
    /// ED, and DECSED for what is unprotected.
    pub(crate) fn erase_display(&mut self, which: i32, erase: Erase) {
        self.restrict_cursor_to(self.active.cols());
        let (x, y, height) = (self.active.x, self.active.y, self.active.height());
        match which {
            0 => {
                self.erase_cells(x, self.active.cols(), x == 0, erase);
                (y + 1..height).for_each(|y| self.erase_row(y, erase));
            }
            1 => {
                self.erase_cells(0, x + 1, true, erase);
                if x + 1 >= self.active.cols() {
                    self.forget_wrap_after(y);
                }
                (0..y).for_each(|y| self.erase_row(y, erase));
            }
            2 => (0..height).for_each(|y| self.erase_row(y, erase)),
            // The history is the log's; but saved cursors count their rows from its first.
            3 => self.active.above = 0,
            _ => {}
        }
    }

    /// EL, and DECSEL for what is unprotected.
    pub(crate) fn erase_line(&mut self, which: i32, erase: Erase) {
        self.restrict_cursor_to(self.active.cols());
        let (x, cols) = (self.active.x, self.active.cols());
        match which {
            0 => self.erase_cells(x, cols, x == 0, erase),
            1 => self.erase_cells(0, x + 1, false, erase),
            2 => self.erase_cells(0, cols, true, erase),
            _ => {}
        }
    }

    fn erase_cells(&mut self, from: usize, to: usize, unwrap: bool, erase: Erase) {
        let blank = self.blank();
        let line = self.active.line();
        line.erase(from, to, blank, erase);
        line.wrapped &= !unwrap;
    }

    fn erase_row(&mut self, y: usize, erase: Erase) {
        let (blank, cols) = (self.blank(), self.active.cols());
        let row = self.active.row_mut(y);
        match erase {
            Erase::All => row.clear(blank),
            Erase::Unprotected => {
                row.erase_unprotected(0, cols, blank);
                row.wrapped = false;
            }
        }
    }

    /// xterm.js takes the row by its number in the history, so this row only while there is none.
    fn forget_wrap_after(&mut self, y: usize) {
        let Some(next) = (y as u64 + 1).checked_sub(self.active.above) else { return };
        let next = usize::try_from(next).unwrap_or(usize::MAX);
        if next < self.active.height() {
            self.active.row_mut(next).wrapped = false;
        }
    }

    /// ECH.
    pub(crate) fn erase_chars(&mut self, count: usize) {
        self.on_line(|line, x, blank| line.erase(x, x + count, blank, Erase::All));
    }

    /// ICH.
    pub(crate) fn insert_chars(&mut self, count: usize) {
        self.on_line(|line, x, blank| line.insert(x, count, blank));
    }

    /// DCH.
    pub(crate) fn delete_chars(&mut self, count: usize) {
        self.on_line(|line, x, blank| line.delete(x, count, blank));
    }

    fn on_line(&mut self, change: impl FnOnce(&mut Row, usize, Cell)) {
        self.restrict_cursor();
        let (x, blank) = (self.active.x, self.blank());
        change(self.active.line(), x, blank);
    }

    /// SL.
    pub(crate) fn scroll_left(&mut self, count: usize) {
        self.on_rows(|row, blank| row.delete(0, count, blank));
    }

    /// SR.
    pub(crate) fn scroll_right(&mut self, count: usize) {
        self.on_rows(|row, blank| row.insert(0, count, blank));
    }

    /// DECIC.
    pub(crate) fn insert_columns(&mut self, count: usize) {
        let x = self.active.x;
        self.on_rows(|row, blank| row.insert(x, count, blank));
    }

    /// DECDC.
    pub(crate) fn delete_columns(&mut self, count: usize) {
        let x = self.active.x;
        self.on_rows(|row, blank| row.delete(x, count, blank));
    }

    /// All rows within the margins, if the cursor is there, too.
    fn on_rows(&mut self, change: impl Fn(&mut Row, Cell)) {
        if !self.is_within_margins() {
            return;
        }
        let blank = self.blank();
        for y in self.active.top..=self.active.bottom {
            let row = self.active.row_mut(y);
            change(row, blank);
            row.wrapped = false;
        }
    }

    /// DECALN: the screen full of E.
    pub(crate) fn align(&mut self) {
        self.set_cursor(0, 0);
        let (cols, height, first) = (self.active.cols(), self.active.height(), self.active.y);
        let pen = crate::attr::Attr { extra: crate::attr::Extra::default(), ..self.pen };
        let cell = Cell::new(u32::from('E'), 1, self.style_of(pen));
        // In origin mode from the upper margin on; the alternate screen of xterm.js goes round.
        let rows = if self.in_alternate { 0..height } else { first..height };
        for y in rows {
            let row = self.active.row_mut(y);
            row.fill(0, cols, cell);
            row.wrapped = false;
        }
        self.set_cursor(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    fn check(input: &str, expected: &str) {
        let fed = Fed::new(5, 20, &format!("abcd\r\nefgh\r\nijkl{input}"));
        assert_eq!(fed.text().replace('\n', "/"), expected, "{input:?}");
    }

    #[test]
    fn parts_of_the_screen_are_erased() {
        check("\x1b[2;3H\x1b[J", "abcd/ef");
        check("\x1b[2;3H\x1b[1J", "/   h/ijkl");
        check("\x1b[2;3H\x1b[2J", "");
        check("\x1b[2;3H\x1b[K", "abcd/ef/ijkl");
        check("\x1b[2;3H\x1b[1K", "abcd/   h/ijkl");
        check("\x1b[2;3H\x1b[2K", "abcd//ijkl");
        check("\x1b[2;3H\x1b[X", "abcd/ef h/ijkl");
        check("\x1b[2;3H\x1b[99X", "abcd/ef/ijkl");
        check("\x1b[3J", "abcd/efgh/ijkl");
    }

    #[test]
    fn characters_move_within_rows() {
        check("\x1b[2;3H\x1b[2@", "abcd/ef  gh/ijkl");
        check("\x1b[2;2H\x1b[2P", "abcd/eh/ijkl");
        check("\x1b[2;2H\x1b[2'}", "a  bcd/e  fgh/i  jkl");
        check("\x1b[2;2H\x1b['~", "acd/egh/ikl");
        check("\x1b[ @", "bcd/fgh/jkl");
        check("\x1b[2;3r\x1b[2H\x1b[ A", "abcd/ efgh/ ijkl");
    }

    #[test]
    fn protected_text_stays() {
        check("\x1b[1\"qXY\x1b[\"qZ\x1b[?2J", "//    XY");
        check("\x1b[1\"qXY\x1b[\"qZ\x1b[?2K", "abcd/efgh/    XY");
        check("\x1b[1\"qXY\x1b[\"qZ\x1b[2K", "abcd/efgh");
    }

    #[test]
    fn alignment_fills_the_screen() {
        assert_eq!(Fed::new(5, 20, "\x1b#8").text(), vec!["E".repeat(20); 5].join("\n"));
    }
}
