//! What the bytes act on: two buffers and everything that is switched on and off.

use podling_session::size::WindowSize;

use crate::answers::Answers;
use crate::attr::Attr;
use crate::buffer::{Buffer, Saved};
use crate::cell::{Cell, Style};
use crate::charset::Charsets;
use crate::modes::{LastingModes, Modes};
use crate::palette::Palette;
use crate::rare::Rare;

pub(crate) struct Terminal {
    pub(crate) size: WindowSize,
    /// The buffer that is shown.
    pub(crate) active: Buffer,
    pub(crate) hidden: Buffer,
    /// Whether the alternate screen is the active one.
    pub(crate) in_alternate: bool,
    pub(crate) pen: Attr,
    /// `pen` as cells have it.
    pub(crate) style: Style,
    /// The width of the character before, which a combining character joins and REP repeats; 0 is none.
    pub(crate) joins: usize,
    /// Whether what came before was printed, too.
    pub(crate) printing: bool,
    pub(crate) modes: Modes,
    pub(crate) lasting: LastingModes,
    pub(crate) charsets: Charsets,
    pub(crate) palette: Palette,
    pub(crate) title: Option<String>,
    pub(crate) answers: Answers,
    pub(crate) rare: Rare,
    pub(crate) lines: u64,
}

impl Terminal {
    pub(crate) fn new(size: WindowSize) -> Terminal {
        Terminal {
            size,
            active: Buffer::new(size),
            hidden: Buffer::new(size),
            in_alternate: false,
            pen: Attr::default(),
            style: Style::default(),
            joins: 0,
            printing: false,
            modes: Modes::default(),
            lasting: LastingModes::default(),
            charsets: Charsets::default(),
            palette: Palette::default(),
            title: None,
            answers: Answers::default(),
            rare: Rare::default(),
            lines: 0,
        }
    }

    pub(crate) fn normal(&self) -> &Buffer {
        if self.in_alternate { &self.hidden } else { &self.active }
    }

    pub(crate) fn alternate(&self) -> &Buffer {
        if self.in_alternate { &self.active } else { &self.hidden }
    }

    /// What erasing leaves.
    pub(crate) fn blank(&self) -> Cell {
        Cell::erased(self.pen)
    }

    /// To be called after each change of `pen`.
    pub(crate) fn pen_changed(&mut self) {
        self.style = self.style_of(self.pen);
    }

    pub(crate) fn style_of(&mut self, attr: Attr) -> Style {
        let counts = attr.bg & crate::attr::EXTRA != 0;
        let extra = if counts { self.rare.add_extra(attr.extra) } else { 0 };
        Style { fg: attr.fg, bg: attr.bg, extra }
    }

    /// Drops what no cell uses any more from the tables of rare things, once they have grown.
    #[inline]
    pub(crate) fn tidy(&mut self) {
        if self.rare.is_grown() {
            let rows = self.active.rows_mut().chain(self.hidden.rows_mut());
            self.rare.collect(rows.flat_map(|row| row.cells_mut()), &mut [&mut self.pen.extra]);
            self.pen_changed();
        }
    }

    /// 1047: what is drawn does not touch the normal screen.
    pub(crate) fn enter_alternate(&mut self) {
        if self.in_alternate {
            return;
        }
        let blank = self.blank();
        self.swap_buffers();
        self.active.clear_rows(blank);
    }

    pub(crate) fn leave_alternate(&mut self) {
        if self.in_alternate {
            self.swap_buffers();
            self.hidden.empty();
        }
    }

    /// The cursor stays where it is.
    fn swap_buffers(&mut self) {
        (self.hidden.x, self.hidden.y) = (self.active.x, self.active.y);
        std::mem::swap(&mut self.active, &mut self.hidden);
        self.in_alternate = !self.in_alternate;
    }

    /// DECSC.
    pub(crate) fn save_cursor(&mut self) {
        let buffer = &mut self.active;
        buffer.saved = Saved {
            x: buffer.x,
            row: buffer.above + buffer.y as u64,
            fg: self.pen.fg,
            bg: self.pen.bg,
            charset: self.charsets.current,
        };
    }

    /// DECRC.
    pub(crate) fn restore_cursor(&mut self) {
        let buffer = &mut self.active;
        (buffer.x, buffer.y) = (buffer.saved.x, buffer.saved_y());
        (self.pen.fg, self.pen.bg) = (buffer.saved.fg, buffer.saved.bg);
        self.charsets.current = buffer.saved.charset;
        self.pen_changed();
        self.restrict_cursor();
    }

    /// DECSTR. The mouse stays as it is.
    pub(crate) fn soft_reset(&mut self) {
        self.lasting.cursor_hidden = false;
        (self.active.top, self.active.bottom) = (0, self.active.height() - 1);
        self.pen = Attr::default();
        self.pen_changed();
        self.modes = Modes::default();
        self.charsets = Charsets::default();
        self.active.saved = Saved { row: self.active.above, ..Saved::default() };
    }

    /// RIS. Title, colours and what xterm.js counts as settings of the viewer stay.
    pub(crate) fn full_reset(&mut self) {
        let fresh = Terminal::new(self.size);
        let old = std::mem::replace(self, fresh);
        self.lasting = LastingModes { mouse: self.lasting.mouse, ..old.lasting };
        (self.palette, self.title, self.answers, self.lines) = (old.palette, old.title, old.answers, old.lines);
    }

    pub(crate) fn resize(&mut self, size: WindowSize) {
        if size == self.size {
            return;
        }
        self.size = size;
        let gone_active = self.active.resize(size);
        let gone_hidden = self.hidden.resize(size);
        let (normal, gone, alternate, gone_there) = if self.in_alternate {
            (&mut self.hidden, gone_hidden, &mut self.active, gone_active)
        } else {
            (&mut self.active, gone_active, &mut self.hidden, gone_hidden)
        };
        normal.above += gone as u64;
        alternate.saved.row = alternate.saved.row.saturating_sub(gone_there as u64);
        self.lines += gone as u64;
        normal.keep_saved_on_screen();
        alternate.keep_saved_on_screen();
        // The snapshot that follows ends what was printed, and the cursor may now be within a wide character.
        (self.joins, self.printing) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fed;

    #[test]
    fn the_alternate_screen_hides_the_normal_one() {
        let check = |input: &str, expected: &str| assert_eq!(Fed::new(5, 20, input).text(), expected, "{input:?}");
        check("one\x1b[?1049htwo", "   two");
        check("one\x1b[?1049h\x1b[Htwo\x1b[?1049l!", "one!");
        check("one\x1b[?47h\x1b[3;3Htwo\x1b[?47l!", "one\n\n     !");
        check("\x1b[?47hgone\x1b[?47l\x1b[?47h", "");
    }

    #[test]
    fn a_saved_cursor_moves_with_the_text() {
        let check = |input: &str, expected| assert_eq!(Fed::new(5, 20, input).cursor(), expected, "{input:?}");
        check("\x1b[4;3H\x1b7\x1b[H\x1b8", (2, 3));
        check("\x1b[4;3H\x1b7\x1b[5H\n\n\x1b8", (2, 1));
        check("\x1b[4;3H\x1b7\x1b[5H\n\n\n\n\n\n\x1b8", (2, 0));
        check("\x1b[?1049h\x1b[4;3H\x1b7\x1b[5H\n\n\x1b8", (2, 3));
    }

    #[test]
    fn a_reset_leaves_the_title_and_the_count_of_lines() {
        let fed = Fed::new(5, 20, "\x1b]2;name\x07\n\n\n\n\n\n\x1bc");
        assert_eq!((fed.title(), fed.lines()), (Some("name"), 2));
    }
}
