//! One place of the screen, in 16 bytes.

use crate::attr::{Attr, COLOUR, PROTECTED};

const CODE: u32 = 0x1f_ffff;
/// The code is an index into the table of combined characters.
const COMBINED: u32 = 1 << 21;
const WIDTH_SHIFT: u32 = 22;
const WIDTH: u32 = 3 << WIDTH_SHIFT;

/// A character with its width, or nothing, and how it looks. The second half of a wide character has width 0 and no
/// character. Cells are copied as they are; what is rare stands in the tables of `rare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    content: u32,
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    /// An id in the table of extra attributes; 0 is none.
    pub(crate) extra: u32,
}

impl Cell {
    pub(crate) const BLANK: Cell = Cell { content: 1 << WIDTH_SHIFT, fg: 0, bg: 0, extra: 0 };

    /// `code` 0 is no character.
    pub(crate) fn new(code: u32, width: usize, style: Style) -> Cell {
        Cell { content: code | shifted(width), fg: style.fg, bg: style.bg, extra: style.extra }
    }

    pub(crate) fn styled(self, style: Style) -> Cell {
        Cell { content: self.content, fg: style.fg, bg: style.bg, extra: style.extra }
    }

    /// A cell of the same look with one ASCII character.
    #[inline]
    pub(crate) fn with_ascii(self, byte: u8) -> Cell {
        Cell { content: u32::from(byte) | 1 << WIDTH_SHIFT, ..self }
    }

    /// What erasing leaves: the background colour and nothing else.
    pub(crate) fn erased(attr: Attr) -> Cell {
        Cell { bg: attr.bg & COLOUR, ..Cell::BLANK }
    }

    pub(crate) fn style(self) -> Style {
        Style { fg: self.fg, bg: self.bg, extra: self.extra }
    }

    pub(crate) fn width(self) -> usize {
        ((self.content & WIDTH) >> WIDTH_SHIFT) as usize
    }

    pub(crate) fn set_width(&mut self, width: usize) {
        self.content = self.content & !WIDTH | shifted(width);
    }

    pub(crate) fn has_content(self) -> bool {
        self.content & (CODE | COMBINED) != 0
    }

    /// The second half of a wide character.
    pub(crate) fn is_tail(self) -> bool {
        self.width() == 0 && !self.has_content()
    }

    pub(crate) fn is_protected(self) -> bool {
        self.bg & PROTECTED != 0
    }

    pub(crate) fn content(self) -> Content {
        let code = self.content & CODE;
        match (self.content & COMBINED != 0, code) {
            (true, index) => Content::Combined(index),
            (false, 0) => Content::Nothing,
            (false, code) => Content::Char(code),
        }
    }

    pub(crate) fn set_char(&mut self, code: u32) {
        self.content = self.content & WIDTH | code;
    }

    pub(crate) fn set_combined(&mut self, index: u32) {
        self.content = self.content & WIDTH | COMBINED | index;
    }
}

fn shifted(width: usize) -> u32 {
    match width {
        0 => 0,
        1 => 1 << WIDTH_SHIFT,
        _ => 2 << WIDTH_SHIFT,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Nothing,
    Char(u32),
    /// An index into the table of combined characters.
    Combined(u32),
}

/// How a cell looks: an `Attr` whose extra attributes are in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    pub(crate) extra: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_16_bytes() {
        assert_eq!(size_of::<Cell>(), 16);
    }

    #[test]
    fn width_and_content_are_independent() {
        let mut cell = Cell::new(0x1f600, 2, Style::default());
        assert_eq!((cell.width(), cell.content()), (2, Content::Char(0x1f600)));
        cell.set_combined(7);
        assert_eq!((cell.width(), cell.content()), (2, Content::Combined(7)));
        cell.set_width(1);
        assert_eq!((cell.width(), cell.content()), (1, Content::Combined(7)));
        assert!(Cell::new(0, 0, Style::default()).is_tail());
        assert!(!Cell::BLANK.is_tail() && !Cell::BLANK.has_content());
    }
}
