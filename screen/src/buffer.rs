//! The normal or the alternate screen: its rows, cursor, margins, tab stops and saved cursor.

use podling_session::size::WindowSize;

use crate::cell::Cell;
use crate::charset::Charset;
use crate::row::Row;
use crate::tabs::Tabs;

pub(crate) struct Buffer {
    rows: Vec<Row>,
    /// Where in `rows` the first row stands: scrolling moves no cells.
    first: usize,
    cols: usize,
    /// `cols` while a wrap is pending. A character without width that nothing precedes can push it one further.
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// The margins, both included.
    pub(crate) top: usize,
    pub(crate) bottom: usize,
    pub(crate) tabs: Tabs,
    pub(crate) saved: Saved,
    /// Rows that a terminal keeps above the screen; saved rows count from there. Always 0 in the alternate screen.
    pub(crate) above: u64,
}

/// What DECSC keeps: not the extra attributes, only whether they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) x: usize,
    /// Counted from the first row above the screen, so it moves with the text.
    pub(crate) row: u64,
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    pub(crate) charset: Charset,
}

impl Buffer {
    pub(crate) fn new(size: WindowSize) -> Buffer {
        let (rows, cols) = (usize::from(size.rows()), usize::from(size.cols()));
        Buffer {
            rows: (0..rows).map(|_| Row::new(cols)).collect(),
            first: 0,
            cols,
            x: 0,
            y: 0,
            top: 0,
            bottom: rows - 1,
            tabs: Tabs::regular(cols),
            saved: Saved::default(),
            above: 0,
        }
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn height(&self) -> usize {
        self.rows.len()
    }

    fn place(&self, y: usize) -> usize {
        let place = self.first + y;
        if place < self.rows.len() { place } else { place - self.rows.len() }
    }

    pub(crate) fn row(&self, y: usize) -> &Row {
        &self.rows[self.place(y)]
    }

    pub(crate) fn row_mut(&mut self, y: usize) -> &mut Row {
        let place = self.place(y);
        &mut self.rows[place]
    }

    /// The row of the cursor.
    pub(crate) fn line(&mut self) -> &mut Row {
        self.row_mut(self.y)
    }

    /// In no order.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut()
    }

    /// Whether the margins are the edges of the screen.
    pub(crate) fn is_unmargined(&self) -> bool {
        self.top == 0 && self.bottom == self.height() - 1
    }

    /// Moves the rows `top..=bottom` up; the first goes, a blank one comes at the end.
    pub(crate) fn shift_up(&mut self, top: usize, bottom: usize, blank: Cell) {
        if top == 0 && bottom == self.height() - 1 {
            self.first = self.place(1);
        } else {
            for y in top..bottom {
                let (here, next) = (self.place(y), self.place(y + 1));
                self.rows.swap(here, next);
            }
        }
        self.row_mut(bottom).clear(blank);
    }

    /// Moves the rows `top..=bottom` down; the last goes, a blank one comes first.
    pub(crate) fn shift_down(&mut self, top: usize, bottom: usize, blank: Cell) {
        if top == 0 && bottom == self.height() - 1 {
            self.first = self.place(self.height() - 1);
        } else {
            for y in (top..bottom).rev() {
                let (here, next) = (self.place(y), self.place(y + 1));
                self.rows.swap(here, next);
            }
        }
        self.row_mut(top).clear(blank);
    }

    /// The row of the saved cursor; the first, where it has scrolled off.
    pub(crate) fn saved_y(&self) -> usize {
        usize::try_from(self.saved.row.saturating_sub(self.above)).unwrap_or(usize::MAX)
    }

    /// What leaving the alternate screen does to it. The saved cursor stays.
    pub(crate) fn empty(&mut self) {
        self.clear_rows(Cell::BLANK);
        (self.x, self.y, self.top, self.bottom) = (0, 0, 0, self.height() - 1);
        self.tabs = Tabs::regular(self.cols);
    }

    pub(crate) fn clear_rows(&mut self, blank: Cell) {
        self.rows.iter_mut().for_each(|row| row.clear(blank));
    }

    /// Changes the size without moving text between rows. Rows are taken from below the cursor while they are blank, then
    /// from the top; says how many went there. Rows are added at the bottom. Margins are the edges again.
    pub(crate) fn resize(&mut self, size: WindowSize) -> usize {
        let (height, cols) = (usize::from(size.rows()), usize::from(size.cols()));
        self.rows.rotate_left(self.first);
        self.first = 0;
        let gone = self.shrink_to(height);
        if cols != self.cols {
            self.rows.iter_mut().for_each(|row| row.resize(cols));
        }
        self.rows.resize_with(height, || Row::new(cols));
        self.cols = cols;
        self.tabs.resize(cols);
        (self.top, self.bottom) = (0, height - 1);
        self.x = self.x.min(cols - 1);
        self.saved.x = self.saved.x.min(cols - 1);
        gone
    }

    /// After a resize a viewer gets a snapshot, and that saves no cursor below the screen.
    pub(crate) fn keep_saved_on_screen(&mut self) {
        self.saved.row = self.saved.row.min(self.above + self.height() as u64 - 1);
    }

    fn shrink_to(&mut self, height: usize) -> usize {
        let mut gone = 0;
        while self.rows.len() > height {
            let last = self.rows.len() - 1;
            if self.y == 0 || (self.y < last && self.rows[last].is_blank()) {
                self.rows.pop();
            } else {
                self.rows.remove(0);
                self.y -= 1;
                gone += 1;
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(rows: u32, texts: &[&str]) -> Buffer {
        let mut buffer = Buffer::new(WindowSize::new(rows, 20).expect("a size"));
        for (y, text) in texts.iter().enumerate() {
            buffer.row_mut(y).write_ascii(0, text.as_bytes(), Cell::BLANK);
        }
        buffer
    }

    fn texts(buffer: &Buffer) -> String {
        let first = |y| match buffer.row(y).cells()[0].content() {
            crate::cell::Content::Char(c) => char::from_u32(c).expect("ASCII"),
            _ => '.',
        };
        (0..buffer.height()).map(first).collect()
    }

    #[test]
    fn rows_shift_within_margins() {
        let check = |change: fn(&mut Buffer), expected: &str| {
            let mut buffer = buffer(6, &["a", "b", "c", "d", "e", "f"]);
            change(&mut buffer);
            assert_eq!(texts(&buffer), expected);
        };
        check(|b| b.shift_up(0, 5, Cell::BLANK), "bcdef.");
        check(|b| b.shift_down(0, 5, Cell::BLANK), ".abcde");
        check(|b| b.shift_up(1, 3, Cell::BLANK), "acd.ef");
        check(|b| b.shift_down(1, 3, Cell::BLANK), "a.bcef");
    }

    #[test]
    fn a_lower_window_takes_blank_rows_below_the_cursor_first() {
        let check = |y, expected: &str, gone| {
            let mut buffer = buffer(8, &["a", "b", "c", "d", "e", "f"]);
            buffer.shift_up(0, 7, Cell::BLANK); // The ring does not begin at its beginning.
            buffer.y = y;
            assert_eq!(buffer.resize(WindowSize::new(5, 20).expect("a size")), gone);
            assert_eq!(texts(&buffer), expected, "{y}");
        };
        check(0, "bcdef", 0);
        check(4, "bcdef", 0);
        check(5, "cdef.", 1);
        check(7, "ef...", 3);
    }
}
