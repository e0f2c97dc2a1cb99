//! Line feeds, and rows that move.

use crate::cell::Cell;
use crate::terminal::Terminal;

impl Terminal {
    /// The rows within the margins move up by one. What leaves the top of the normal screen goes into the history.
    pub(crate) fn scroll(&mut self) {
        let blank = self.blank();
        if self.active.top == 0 && !self.in_alternate {
            self.active.above += 1;
            self.lines += 1;
        }
        self.active.shift_up(self.active.top, self.active.bottom, blank);
    }

    /// LF, VT and FF.
    pub(crate) fn line_feed(&mut self) {
        if self.lasting.newline {
            self.active.x = 0;
        }
        if self.active.y == self.active.bottom {
            self.scroll();
        } else if self.active.y < self.active.height() - 1 {
            self.active.y += 1;
            self.active.line().wrapped = false;
        }
        if self.active.x >= self.active.cols() {
            self.active.x -= 1;
        }
    }

    /// IND.
    pub(crate) fn index(&mut self) {
        self.restrict_cursor();
        if self.active.y == self.active.bottom {
            self.scroll();
        } else {
            self.active.y += 1;
        }
        self.restrict_cursor();
    }

    /// NEL.
    pub(crate) fn next_line(&mut self) {
        self.active.x = 0;
        self.index();
    }

    /// RI.
    pub(crate) fn reverse_index(&mut self) {
        self.restrict_cursor();
        if self.active.y == self.active.top {
            let blank = self.blank();
            self.active.shift_down(self.active.top, self.active.bottom, blank);
        } else {
            self.active.y = self.active.y.saturating_sub(1);
            self.restrict_cursor();
        }
    }

    /// SU. Nothing goes into the history.
    pub(crate) fn scroll_up(&mut self, count: usize) {
        let (top, bottom, blank) = (self.active.top, self.active.bottom, self.blank());
        self.shift_up(top, bottom, count, blank);
    }

    /// SD. The new rows have no colour.
    pub(crate) fn scroll_down(&mut self, count: usize) {
        let (top, bottom) = (self.active.top, self.active.bottom);
        self.shift_down(top, bottom, count, Cell::BLANK);
    }

    /// IL.
    pub(crate) fn insert_lines(&mut self, count: usize) {
        self.restrict_cursor();
        if self.is_within_margins() {
            let (y, bottom, blank) = (self.active.y, self.active.bottom, self.blank());
            self.shift_down(y, bottom, count, blank);
            self.active.x = 0;
        }
    }

    /// DL.
    pub(crate) fn delete_lines(&mut self, count: usize) {
        self.restrict_cursor();
        if self.is_within_margins() {
            let (y, bottom, blank) = (self.active.y, self.active.bottom, self.blank());
            self.shift_up(y, bottom, count, blank);
            self.active.x = 0;
        }
    }

    pub(crate) fn is_within_margins(&self) -> bool {
        (self.active.top..=self.active.bottom).contains(&self.active.y)
    }

    fn shift_up(&mut self, top: usize, bottom: usize, count: usize, blank: Cell) {
        for _ in 0..count.min(bottom - top + 1) {
            self.active.shift_up(top, bottom, blank);
        }
    }

    fn shift_down(&mut self, top: usize, bottom: usize, count: usize, blank: Cell) {
        for _ in 0..count.min(bottom - top + 1) {
            self.active.shift_down(top, bottom, blank);
        }
    }

    /// DECSTBM. The lower margin is at the edge where it is absent or too low.
    pub(crate) fn set_margins(&mut self, top: usize, bottom: usize) {
        let height = self.active.height();
        let bottom = if bottom == 0 || bottom > height { height } else { bottom };
        if bottom > top {
            (self.active.top, self.active.bottom) = (top - 1, bottom - 1);
            self.set_cursor(0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    const FIVE: &str = "a\r\nb\r\nc\r\nd\r\ne";

    #[test]
    fn rows_move_within_the_margins() {
        let check = |input: &str, expected: &str, lines| {
            let fed = Fed::new(5, 20, &format!("{FIVE}{input}"));
            assert_eq!((fed.text().replace('\n', "/").as_str(), fed.lines()), (expected, lines), "{input:?}");
        };
        check("\n", "b/c/d/e", 1);
        check("\x1b[2S", "c/d/e", 0);
        check("\x1b[2T", "//a/b/c", 0);
        check("\x1b[2H\x1b[2L", "a///b/c", 0);
        check("\x1b[2H\x1b[2M", "a/d/e", 0);
        check("\x1b[2H\x1b[999M", "a", 0);
        check("\x1b[H\x1bM", "/a/b/c/d", 0);
        check("\x1b[2;4r\x1b[4H\n", "a/c/d//e", 0);
        check("\x1b[1;4r\x1b[4H\n", "b/c/d//e", 1);
        check("\x1b[2;4r\x1b[2H\x1bM", "a//b/c/e", 0);
        check("\x1b[2;4r\x1b[5H\n", "a/b/c/d/e", 0);
        check("\x1b[2;4r\x1b[5H\x1b[L", "a/b/c/d/e", 0);
        check("\x1b[?1049h\n\n\n\n\n\n", "", 0);
        check("\x1bD\x1bE", "c/d/e", 2);
    }

    #[test]
    fn newline_mode_returns_the_carriage() {
        let check = |input: &str, cursor| assert_eq!(Fed::new(5, 20, input).cursor(), cursor, "{input:?}");
        check("ab\n", (2, 1));
        check("\x1b[20hab\n", (0, 1));
        check("\x1b[20h\x1bcab\n", (0, 1)); // A setting of xterm.js: RIS leaves it.
    }
}
