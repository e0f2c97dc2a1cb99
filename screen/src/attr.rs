//! What a cell looks like besides its character: colours, flags, underline and link.
//!
//! The bits of a colour stay as the sequences left them: choosing a palette colour keeps the upper bytes of a true
//! colour before it, as xterm.js does. Nobody sees them, but a snapshot that kept less would not be equal.

/// A colour: its kind and, below, a palette index or red, green and blue. Zero is the default colour.
pub(crate) const COLOUR: u32 = 0x03ff_ffff;
pub(crate) const KIND: u32 = 0x0300_0000;
/// One of the 16 colours of `SGR 30` to `37` and `90` to `97`.
pub(crate) const PALETTE_16: u32 = 0x0100_0000;
pub(crate) const PALETTE_256: u32 = 0x0200_0000;
pub(crate) const RGB: u32 = 0x0300_0000;

// Above the foreground colour.
pub(crate) const INVERSE: u32 = 1 << 26;
pub(crate) const BOLD: u32 = 1 << 27;
pub(crate) const UNDERLINE: u32 = 1 << 28;
pub(crate) const BLINK: u32 = 1 << 29;
pub(crate) const INVISIBLE: u32 = 1 << 30;
pub(crate) const STRIKE: u32 = 1 << 31;

// Above the background colour.
pub(crate) const ITALIC: u32 = 1 << 26;
pub(crate) const DIM: u32 = 1 << 27;
/// The extra attributes count.
pub(crate) const EXTRA: u32 = 1 << 28;
pub(crate) const PROTECTED: u32 = 1 << 29;
pub(crate) const OVERLINE: u32 = 1 << 30;

const STYLE_SHIFT: u32 = 26;

/// What few cells have: the shape and colour of an underline, and a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Extra {
    /// A colour below, a style of 0 to 5 (`SGR 4:n`) above it.
    underline: u32,
    /// An id in the table of links; 0 is none.
    pub(crate) link: u32,
}

impl Extra {
    pub(crate) fn style(self) -> u32 {
        self.underline >> STYLE_SHIFT
    }

    pub(crate) fn colour(self) -> u32 {
        self.underline & COLOUR
    }

    pub(crate) fn set_style(&mut self, style: u32) {
        self.underline = self.colour() | style << STYLE_SHIFT;
    }

    pub(crate) fn set_colour(&mut self, colour: u32) {
        self.underline = self.underline & !COLOUR | colour & COLOUR;
    }

    /// Whether a cell need not keep it. A colour without an underline shows nothing.
    fn is_nothing(self) -> bool {
        self.style() == 0 && self.link == 0
    }
}

/// What the next character will look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attr {
    pub(crate) fg: u32,
    pub(crate) bg: u32,
    pub(crate) extra: Extra,
}

impl Attr {
    /// Notes in `bg` whether the extra attributes count. Not every change of them does so: see `saved`.
    pub(crate) fn note_extra(&mut self) {
        self.bg = if self.extra.is_nothing() { self.bg & !EXTRA } else { self.bg | EXTRA };
    }

    pub(crate) fn underline(&mut self, style: u32) {
        self.extra.set_style(style);
        self.fg = if style == 0 { self.fg & !UNDERLINE } else { self.fg | UNDERLINE };
        self.note_extra();
    }

    /// SGR 0. It closes no link.
    pub(crate) fn reset(&mut self) {
        *self = Attr { fg: 0, bg: 0, extra: Extra { underline: 0, link: self.extra.link } };
        self.note_extra();
    }

    /// Whether flags and extra attributes agree. They do, but after a restored cursor: it brings back the flags only.
    pub(crate) fn is_regular(self) -> bool {
        (self.bg & EXTRA != 0) != self.extra.is_nothing() && (self.fg & UNDERLINE != 0) == (self.extra.style() != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sgr_0_keeps_the_link() {
        let mut attr = Attr { fg: BOLD, bg: PALETTE_16, extra: Extra { underline: 0, link: 3 } };
        attr.underline(2);
        attr.reset();
        assert_eq!(attr, Attr { fg: 0, bg: EXTRA, extra: Extra { underline: 0, link: 3 } });
    }

    #[test]
    fn an_underline_colour_alone_is_nothing() {
        let mut attr = Attr::default();
        attr.extra.set_colour(RGB | 0x12_3456);
        attr.note_extra();
        assert_eq!(attr.bg & EXTRA, 0);
        attr.underline(3);
        assert_eq!((attr.extra.style(), attr.extra.colour()), (3, RGB | 0x12_3456));
        assert!(attr.is_regular());
    }
}
