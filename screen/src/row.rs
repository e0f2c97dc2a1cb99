//! One row of cells and what can be done to it. A change that cuts a wide character in two empties its other half.

use crate::cell::{Cell, Style};

pub(crate) struct Row {
    cells: Box<[Cell]>,
    /// All cells from here on are `Cell::BLANK`, so that a short line is cheap to clear.
    used: usize,
    /// It goes on where the row above ended.
    pub(crate) wrapped: bool,
}

/// Which cells an erasure takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Erase {
    All,
    /// DECSED and DECSEL leave what DECSCA protected.
    Unprotected,
}

impl Row {
    pub(crate) fn new(cols: usize) -> Row {
        Row { cells: vec![Cell::BLANK; cols].into_boxed_slice(), used: 0, wrapped: false }
    }

    pub(crate) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// For changes that put no character where there was none.
    pub(crate) fn cells_mut(&mut self) -> &mut [Cell] {
        &mut self.cells[..self.used]
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.cells[..self.used].iter().all(|cell| *cell == Cell::BLANK)
    }

    /// The width of a cell; 0 outside of the row.
    pub(crate) fn width(&self, x: usize) -> usize {
        self.cells.get(x).map_or(0, |cell| cell.width())
    }

    pub(crate) fn is_tail(&self, x: usize) -> bool {
        self.cells.get(x).is_some_and(|cell| cell.is_tail())
    }

    /// Does nothing outside of the row.
    pub(crate) fn set(&mut self, x: usize, cell: Cell) {
        if let Some(place) = self.cells.get_mut(x) {
            *place = cell;
            self.used = self.used.max(x + 1);
        }
    }

    /// `text` is printable ASCII and fits behind `x`.
    pub(crate) fn write_ascii(&mut self, x: usize, text: &[u8], look: Cell) {
        let end = x + text.len();
        for (cell, byte) in self.cells[x..end].iter_mut().zip(text) {
            *cell = look.with_ascii(*byte);
        }
        self.used = self.used.max(end);
    }

    pub(crate) fn fill(&mut self, from: usize, to: usize, cell: Cell) {
        let to = to.min(self.cells.len());
        if from >= to {
            return;
        }
        if cell == Cell::BLANK {
            let touched = to.min(self.used);
            if from < touched {
                self.cells[from..touched].fill(cell);
            }
            if to >= self.used {
                self.used = self.used.min(from);
            }
        } else {
            self.cells[from..to].fill(cell);
            self.used = self.used.max(to);
        }
    }

    /// Erases the row as a whole; it goes on from nothing.
    pub(crate) fn clear(&mut self, blank: Cell) {
        self.fill(0, self.cells.len(), blank);
        self.wrapped = false;
    }

    pub(crate) fn erase(&mut self, from: usize, to: usize, blank: Cell, erase: Erase) {
        let unprotected = |cell: &Cell| erase == Erase::All || !cell.is_protected();
        if from > 0 && self.width(from - 1) == 2 && self.cells.get(from - 1).is_some_and(unprotected) {
            self.empty(from - 1, blank.style());
        }
        if to < self.cells.len() && self.width(to - 1) == 2 && unprotected(&self.cells[to]) {
            self.empty(to, blank.style());
        }
        match erase {
            Erase::All => self.fill(from, to, blank),
            Erase::Unprotected => self.erase_unprotected(from, to, blank),
        }
    }

    pub(crate) fn erase_unprotected(&mut self, from: usize, to: usize, blank: Cell) {
        for x in from..to.min(self.cells.len()) {
            if !self.cells[x].is_protected() {
                self.set(x, blank);
            }
        }
    }

    pub(crate) fn insert(&mut self, at: usize, count: usize, blank: Cell) {
        let len = self.cells.len();
        let at = at % len;
        if at > 0 && self.width(at - 1) == 2 {
            self.empty(at - 1, blank.style());
        }
        if count < len - at {
            self.cells.copy_within(at..len - count, at + count);
            self.used = if self.used > at { (self.used + count).min(len) } else { self.used };
            self.fill(at, at + count, blank);
        } else {
            self.fill(at, len, blank);
        }
        if self.width(len - 1) == 2 {
            self.empty(len - 1, blank.style());
        }
    }

    pub(crate) fn delete(&mut self, at: usize, count: usize, blank: Cell) {
        let len = self.cells.len();
        let at = at % len;
        if count < len - at {
            self.cells.copy_within(at + count..len, at);
            self.fill(len - count, len, blank);
        } else {
            self.fill(at, len, blank);
        }
        if at > 0 && self.width(at - 1) == 2 {
            self.empty(at - 1, blank.style());
        }
        if self.is_tail(at) {
            self.empty(at, blank.style());
        }
    }

    /// A cell without a character, one column wide.
    pub(crate) fn empty(&mut self, x: usize, style: Style) {
        self.set(x, Cell::new(0, 1, style));
    }

    /// Cuts or lengthens the row; a wide character that is cut goes.
    pub(crate) fn resize(&mut self, cols: usize) {
        let mut cells = std::mem::take(&mut self.cells).into_vec();
        cells.resize(cols, Cell::BLANK);
        self.cells = cells.into_boxed_slice();
        self.used = self.used.min(cols);
        self.wrapped = false;
        if self.width(cols - 1) == 2 {
            self.set(cols - 1, Cell::BLANK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        let mut row = Row::new(text.len());
        for (x, c) in text.bytes().enumerate() {
            match c {
                b'.' => {}
                b'W' => row.set(x, Cell::new(0x4e00, 2, Style::default())),
                b'<' => row.set(x, Cell::new(0, 0, Style::default())),
                c => row.write_ascii(x, &[c], Cell::BLANK),
            }
        }
        row
    }

    fn text(row: &Row) -> String {
        let shown = |cell: &Cell| match (cell.content(), cell.width()) {
            (_, 2) => 'W',
            (crate::cell::Content::Char(c), _) => char::from_u32(c).expect("ASCII"),
            (_, 0) => '<',
            _ => '.',
        };
        row.cells().iter().map(shown).collect()
    }

    #[test]
    fn inserting_and_deleting_cuts_wide_characters() {
        let check = |before: &str, change: fn(&mut Row), after: &str| {
            let mut row = row(before);
            change(&mut row);
            assert_eq!(text(&row), after, "{before}");
        };
        check("abcdef", |row| row.insert(1, 2, Cell::BLANK), "a..bcd");
        check("aW<def", |row| row.insert(2, 1, Cell::BLANK), "a..<de");
        check("abcdW<", |row| row.insert(0, 1, Cell::BLANK), ".abcd.");
        check("abcdef", |row| row.insert(0, 9, Cell::BLANK), "......");
        check("abcdef", |row| row.delete(1, 2, Cell::BLANK), "adef..");
        check("aW<def", |row| row.delete(1, 1, Cell::BLANK), "a.def.");
        check("aW<def", |row| row.delete(2, 1, Cell::BLANK), "a.def.");
    }

    #[test]
    fn erasing_cuts_wide_characters() {
        let check = |before: &str, from, to, after: &str| {
            let mut row = row(before);
            row.erase(from, to, Cell::BLANK, Erase::All);
            assert_eq!(text(&row), after, "{before} {from}..{to}");
        };
        check("abcdef", 1, 3, "a..def");
        check("aW<def", 2, 4, "a...ef");
        check("aW<def", 0, 2, "...def");
        check("abcdef", 3, 99, "abc...");
    }

    #[test]
    fn what_is_protected_stays() {
        let mut row = row("abc");
        let protected = Style { bg: crate::attr::PROTECTED, ..Style::default() };
        row.set(1, Cell::new(u32::from(b'P'), 1, protected));
        row.erase(0, 3, Cell::BLANK, Erase::Unprotected);
        assert_eq!(text(&row), ".P.");
        row.erase(0, 3, Cell::BLANK, Erase::All);
        assert!(row.is_blank());
    }

    #[test]
    fn a_cut_wide_character_goes() {
        let mut row = row("abW<");
        row.resize(3);
        assert_eq!(text(&row), "ab.");
        row.resize(5);
        assert_eq!(text(&row), "ab...");
    }
}
