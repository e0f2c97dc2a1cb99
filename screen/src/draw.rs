//! Rows as escape sequences, for a snapshot: onto a blank screen with all modes at their defaults.
//!
//! Most cells are simply printed. Two things cannot be: a row is marked as wrapped only by a character that wraps into it,
//! and an empty cell with more than a background colour is only left where a wide character was cut.

use std::io::Write;

use crate::attr::{Attr, COLOUR, EXTRA, PROTECTED, UNDERLINE};
use crate::buffer::Buffer;
use crate::cell::{Cell, Content};
use crate::pen::{sgr, sgr_extra};
use crate::rare::Rare;
use crate::row::Row;
use crate::width::width;

/// Two columns wide and nothing to see.
pub(crate) const WIDE_BLANK: char = '\u{3000}';

pub(crate) struct Writer<'a> {
    pub(crate) out: Vec<u8>,
    rare: &'a Rare,
    /// The attributes that the terminal has; `None` is unknown.
    pen: Option<Attr>,
    /// Column and row of the cursor; `None` is unknown.
    at: Option<(usize, usize)>,
    /// The first row of what positions count from.
    pub(crate) origin: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(rare: &'a Rare) -> Writer<'a> {
        Writer { out: Vec::new(), rare, pen: None, at: None, origin: 0 }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn format(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a vector cannot fail.
        let _ = self.out.write_fmt(text);
    }

    /// Nothing is known about cursor and attributes.
    pub(crate) fn forget(&mut self) {
        (self.pen, self.at) = (None, None);
    }

    pub(crate) fn go(&mut self, x: usize, y: usize) {
        if self.at != Some((x, y)) {
            self.format(format_args!("\x1b[{};{}H", (y + 1).saturating_sub(self.origin), x + 1));
            self.at = Some((x, y));
        }
    }

    pub(crate) fn attr_of(&self, cell: Cell) -> Attr {
        let extra = if cell.bg & EXTRA != 0 { self.rare.extra(cell.extra) } else { Default::default() };
        Attr { fg: cell.fg, bg: cell.bg, extra }
    }

    /// Sets the attributes; the saved cursor is lost where they are such as only a restored one leaves.
    pub(crate) fn pen(&mut self, attr: Attr) {
        if self.pen == Some(attr) {
            return;
        }
        if attr.is_regular() {
            self.regular_pen(attr)
        } else {
            self.restored_pen(attr)
        }
        self.pen = Some(attr);
    }

    fn regular_pen(&mut self, attr: Attr) {
        self.link(attr.extra.link);
        self.format(format_args!("\x1b[{}m", sgr(attr)));
        self.protect(attr);
    }

    /// Flags are saved, extra attributes are not: so they can be brought together as they are.
    fn restored_pen(&mut self, attr: Attr) {
        self.flags_pen(attr);
        self.text("\x1b7");
        self.extra(attr);
        self.text("\x1b8");
        if attr.bg & EXTRA == 0 && attr.fg & UNDERLINE != 0 {
            self.text("\x1b]8;;\x1b\\");
        }
        self.at = None;
    }

    /// Flags and colours, with whatever extra attributes give these flags.
    pub(crate) fn flags_pen(&mut self, attr: Attr) {
        let mut extra = crate::attr::Extra::default();
        extra.set_style(u32::from(attr.fg & UNDERLINE != 0));
        self.link(0);
        if attr.bg & EXTRA != 0 && attr.fg & UNDERLINE == 0 {
            self.text("\x1b]8;;x\x1b\\");
        }
        self.format(format_args!("\x1b[{}m", sgr(Attr { extra, ..attr })));
        self.protect(attr);
        self.pen = None;
    }

    pub(crate) fn extra(&mut self, attr: Attr) {
        self.pen = None;
        self.format(format_args!("\x1b[{}m", sgr_extra(attr.extra)));
        self.link(attr.extra.link);
    }

    pub(crate) fn protect(&mut self, attr: Attr) {
        let was = self.pen.is_none_or(|pen| pen.bg & PROTECTED != 0);
        let is = attr.bg & PROTECTED != 0;
        if was || is {
            self.format(format_args!("\x1b[{}\"q", u8::from(is)));
        }
    }

    fn link(&mut self, id: u32) {
        if self.pen.is_some_and(|pen| pen.extra.link == id) {
            return;
        }
        match self.rare.link(id) {
            None => self.text("\x1b]8;;\x1b\\"),
            Some(link) if link.id.is_empty() => self.format(format_args!("\x1b]8;;{}\x1b\\", link.uri)),
            Some(link) => self.format(format_args!("\x1b]8;id={};{}\x1b\\", link.id, link.uri)),
        }
    }

    pub(crate) fn buffer(&mut self, buffer: &Buffer) {
        let mut from = 0;
        for y in 0..buffer.height() {
            let next = (y + 1 < buffer.height()).then(|| buffer.row(y + 1)).filter(|next| next.wrapped);
            let row = buffer.row(y);
            self.row(y, row, from, next);
            from = next.map_or(0, |next| self.wrap(y, row, next));
        }
    }

    /// Marks the first row as wrapped: a row that was wrapped into moves up there. The screen is blank.
    pub(crate) fn wrap_into_first(&mut self, cols: usize) {
        self.pen(Attr::default());
        self.go(cols - 1, 0);
        self.text("  ");
        self.at = None;
        self.go(0, 0);
        self.text("\x1b[M");
        self.clear_cells(0, 0, Cell::BLANK, 1);
    }

    fn row(&mut self, y: usize, row: &Row, from: usize, next: Option<&Row>) {
        let cells = row.cells();
        let end = cells.len() - usize::from(next.is_some_and(|next| self.wide_wraps(row, next)));
        for x in (from..end).rev().filter(|x| is_odd(cells[*x]) && !is_cut(cells, *x)) {
            self.odd(x, y, cells);
        }
        let mut x = from;
        while x < end {
            x += self.cell(x, y, cells);
        }
    }

    /// Says how many cells it drew.
    fn cell(&mut self, x: usize, y: usize, cells: &[Cell]) -> usize {
        let cell = cells[x];
        if cell.width() == 2 && x + 2 == cells.len() && !cells[x + 1].is_tail() {
            self.cut_at_edge(x, y, cell, cells[x + 1]);
            return 2;
        }
        if cell.has_content() {
            self.go(x, y);
            self.print(cell);
            return cell.width().max(1);
        }
        if cell == Cell::BLANK || is_odd(cell) || cell.is_tail() {
            return 1;
        }
        let count = cells[x..].iter().take_while(|other| **other == cell).count();
        self.clear_cells(x, y, cell, count);
        count
    }

    /// The first half of a wide character whose second half was overwritten: only at the edge, without wraparound, does the
    /// next character do so, or a wide one that finds no room and leaves the cell empty.
    fn cut_at_edge(&mut self, x: usize, y: usize, wide: Cell, last: Cell) {
        if self.is_widened(wide) {
            return self.widened(x, y, wide, last);
        }
        self.go(x, y);
        self.text("\x1b[?7l");
        self.print(wide);
        self.pen(self.attr_of(last));
        match last.content() {
            Content::Nothing => self.text(WIDE_BLANK.encode_utf8(&mut [0; 4])),
            content => self.content(content),
        }
        self.text("\x1b[?7h");
        self.at = last.has_content().then_some((x + 2, y));
    }

    /// Two columns wide without a wide character: the marks of one that found no room in the last column, without
    /// wraparound, have joined what is before it.
    pub(crate) fn is_widened(&self, cell: Cell) -> bool {
        cell.width() == 2 && self.chars(cell).next().is_some_and(|first| width(u32::from(first)) < 2)
    }

    /// The marks and the last character are printed in one go: another would cut what is two columns wide.
    fn widened(&mut self, x: usize, y: usize, cell: Cell, last: Cell) {
        self.clear_cells(x, y, cell, 1);
        let (base, marks): (Vec<_>, Vec<_>) = self.chars(cell).partition(|code| width(u32::from(*code)) > 0);
        self.pen(self.attr_of(cell));
        self.go(x, y);
        self.chars_out(&base);
        if !last.has_content() && last != Cell::BLANK {
            self.clear_cells(x + 1, y, last, 1);
        }
        self.pen(self.attr_of(last));
        self.at = None;
        self.go(x + 1, y);
        self.text("\x1b[?7l");
        self.chars_out(&[WIDE_BLANK]);
        self.chars_out(&marks);
        self.content(last.content());
        self.text("\x1b[?7h");
        self.at = last.has_content().then_some((x + 2, y));
    }

    fn chars(&self, cell: Cell) -> std::vec::IntoIter<char> {
        let chars: Vec<_> = match cell.content() {
            Content::Nothing => Vec::new(),
            Content::Char(code) => char::from_u32(code).into_iter().collect(),
            Content::Combined(index) => self.rare.combined(index).chars().collect(),
        };
        chars.into_iter()
    }

    fn chars_out(&mut self, chars: &[char]) {
        self.out.extend(chars.iter().collect::<String>().bytes());
    }

    pub(crate) fn print(&mut self, cell: Cell) {
        self.pen(self.attr_of(cell));
        if cell.width() == 0 {
            // Alone it must not join what is before it.
            self.text("\0");
        }
        self.content(cell.content());
        self.advance(cell.width().max(1));
    }

    pub(crate) fn content(&mut self, content: Content) {
        match content {
            Content::Nothing => {}
            Content::Char(code) => {
                self.out.extend(char::from_u32(code).unwrap_or(' ').encode_utf8(&mut [0; 4]).bytes())
            }
            Content::Combined(index) => self.text(self.rare.combined(index)),
        }
    }

    fn advance(&mut self, columns: usize) {
        self.at = self.at.map(|(x, y)| (x + columns, y));
    }

    fn clear_cells(&mut self, x: usize, y: usize, look: Cell, count: usize) {
        self.pen(Attr { fg: 0, bg: look.bg & COLOUR, ..Attr::default() });
        self.go(x, y);
        self.format(format_args!("\x1b[{count}X"));
    }

    /// An empty cell as a cut wide character leaves it. Its neighbour is erased.
    fn odd(&mut self, x: usize, y: usize, cells: &[Cell]) {
        let (left, cut) = if x > 0 { (x - 1, x - 1) } else { (0, 1) };
        self.pen(Attr::default());
        self.go(left, y);
        self.text(WIDE_BLANK.encode_utf8(&mut [0; 4]));
        self.at = None;
        let attr = self.attr_of(cells[x]);
        self.pen(attr);
        self.go(cut, y);
        self.text(" ");
        self.advance(1);
        if !is_odd(cells[cut]) || cut > x {
            let look = if cells[cut].has_content() { Cell::BLANK } else { cells[cut] };
            self.clear_cells(cut, y, look, 1);
        }
    }

    /// Whether the last cell is empty because the wide character of the next row did not fit.
    fn wide_wraps(&self, row: &Row, next: &Row) -> bool {
        let (last, first) = (row.cells()[row.cells().len() - 1], next.cells()[0]);
        first.width() == 2 && first.has_content() && last == Cell::new(0, 1, first.style()) && !has_odd(next)
    }

    /// Marks the next row as wrapped; says how many of its cells are drawn.
    fn wrap(&mut self, y: usize, row: &Row, next: &Row) -> usize {
        let (cells, first) = (row.cells(), next.cells()[0]);
        let by_width = self.wide_wraps(row, next);
        // A cursor that is restored for the attributes has no wrap pending any more.
        let attr = self.attr_of(first);
        let at_end = self.at == Some((cells.len(), y)) && (attr.is_regular() || self.pen == Some(attr));
        if by_width || (at_end && first.has_content() && first.width() > 0 && !has_odd(next)) {
            if by_width {
                self.go(cells.len() - 1, y);
            }
            self.print(first);
            self.at = Some((first.width(), y + 1));
            return first.width();
        }
        self.wrap_by_force(y, cells);
        0
    }

    /// With a blank, which goes again, and so does what it needed at the end of the row.
    fn wrap_by_force(&mut self, y: usize, cells: &[Cell]) {
        let last = cells.len() - 1;
        self.fill_to_end(y, cells);
        self.pen(Attr::default());
        self.text(" ");
        self.at = None;
        self.clear_cells(0, y + 1, Cell::BLANK, 1);
        if !cells[last].has_content() && !cells[last].is_tail() {
            self.redraw_end(y, cells);
        }
    }

    /// Prints the last character of the row, or a blank where there is none, so that a wrap is pending.
    pub(crate) fn fill_to_end(&mut self, y: usize, cells: &[Cell]) {
        let last = cells.len() - 1;
        let start = if cells[last].is_tail() { last - 1 } else { last };
        if self.at == Some((cells.len(), y)) {
            return;
        }
        if start == last && cells[last].has_content() && is_cut(cells, last) {
            self.cut_at_edge(last - 1, y, cells[last - 1], cells[last]);
        } else if cells[start].has_content() {
            self.go(start, y);
            self.print(cells[start]);
        } else {
            self.pen(Attr::default());
            self.go(last, y);
            self.text(" ");
        }
        self.at = Some((cells.len(), y));
    }

    /// Takes the blank of `fill_to_end` away.
    pub(crate) fn redraw_end(&mut self, y: usize, cells: &[Cell]) {
        let last = cells.len() - 1;
        if !is_odd(cells[last]) {
            return self.clear_cells(last, y, cells[last], 1);
        }
        self.odd(last, y, cells);
        let before = if cells[last - 1].is_tail() { last - 2 } else { last - 1 };
        self.cell(before, y, cells);
    }
}

/// Whether the cell was the second half of a wide character that is still there.
pub(crate) fn is_cut(cells: &[Cell], x: usize) -> bool {
    x > 0 && cells[x - 1].width() == 2 && cells[x - 1].has_content() && !cells[x].is_tail()
}

/// Whether drawing the row takes more than one pass.
fn has_odd(row: &Row) -> bool {
    row.cells().iter().any(|cell| is_odd(*cell))
}

/// Empty, and more than a background colour to see.
fn is_odd(cell: Cell) -> bool {
    !cell.has_content() && cell.width() == 1 && (cell.fg != 0 || cell.bg & !COLOUR != 0)
}
