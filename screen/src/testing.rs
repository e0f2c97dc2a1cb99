//! A screen that was fed, and what tests ask of it.

use podling_session::size::WindowSize;

use crate::Screen;
use crate::attr::{Attr, EXTRA, Extra};
use crate::buffer::{Buffer, Saved};
use crate::cell::{Cell, Content};
use crate::charset::Charset;
use crate::modes::Mouse;

pub(crate) struct Fed(pub(crate) Screen);

impl Fed {
    pub(crate) fn new(rows: u32, cols: u32, input: &str) -> Fed {
        let mut screen = Screen::new(WindowSize::new(rows, cols).expect("a size"));
        screen.feed(input.as_bytes());
        Fed(screen)
    }

    pub(crate) fn feed(&mut self, input: &str) {
        self.0.feed(input.as_bytes());
    }

    /// Without empty rows at the end.
    pub(crate) fn text(&self) -> String {
        self.0.text().trim_end_matches('\n').to_owned()
    }

    /// Column and row, from 0.
    pub(crate) fn cursor(&self) -> (usize, usize) {
        (self.0.terminal.active.x, self.0.terminal.active.y)
    }

    pub(crate) fn lines(&self) -> u64 {
        self.0.lines()
    }

    pub(crate) fn title(&self) -> Option<&str> {
        self.0.terminal.title.as_deref()
    }

    pub(crate) fn pen(&self) -> Attr {
        self.0.terminal.pen
    }

    pub(crate) fn mouse(&self) -> Mouse {
        self.0.terminal.lasting.mouse
    }

    pub(crate) fn is_ground(&self) -> bool {
        self.0.is_ground()
    }

    pub(crate) fn answers(&mut self) -> String {
        String::from_utf8(self.0.take_answers()).expect("answers are ASCII")
    }
}

/// Everything that two equal screens have in common, for people to read: a line for each row, then the rest.
pub(crate) fn state(screen: &Screen) -> String {
    let terminal = &screen.terminal;
    let mut text = format!("{:?} alternate: {}\n", terminal.size, terminal.in_alternate);
    for buffer in [terminal.normal(), terminal.alternate()] {
        text += &buffer_state(screen, buffer, std::ptr::eq(buffer, &terminal.active));
    }
    text += &format!("pen {:x?} joins {}\n", attr_state(screen, terminal.pen), terminal.joins);
    text += &format!("{:?}\n{:?}\n", terminal.modes, terminal.lasting);
    text += &format!(
        "charsets {:?} {} {:?}\n",
        terminal.charsets.sets.map(Charset::name),
        terminal.charsets.level,
        terminal.charsets.current
    );
    text += &format!(
        "{:?} {:?}\n",
        terminal.title.as_deref().unwrap_or_default(),
        terminal.palette.changed().collect::<Vec<_>>()
    );
    text
}

fn buffer_state(screen: &Screen, buffer: &Buffer, active: bool) -> String {
    let mut text = String::new();
    // Hidden, the alternate screen has no text.
    if active || screen.terminal.in_alternate {
        for y in 0..buffer.height() {
            // Whether the first row goes on from the history is not told.
            text += if buffer.row(y).wrapped && y > 0 { "w|" } else { " |" };
            for cell in buffer.row(y).cells() {
                text += &if *cell == Cell::BLANK { "_".to_owned() } else { cell_state(screen, *cell) };
            }
            text += "\n";
        }
    }
    if active {
        text += &format!("cursor {} {}\n", buffer.x, buffer.y);
    }
    let saved = Saved { row: buffer.saved_y() as u64, ..buffer.saved };
    let stops: Vec<usize> = buffer.tabs.stops().collect();
    text + &format!("margins {} {} {saved:x?} {stops:?}\n", buffer.top, buffer.bottom)
}

fn cell_state(screen: &Screen, cell: Cell) -> String {
    let rare = &screen.terminal.rare;
    let shown = match cell.content() {
        Content::Nothing if cell.width() == 0 => "<".to_owned(),
        Content::Nothing => ".".to_owned(),
        Content::Char(code) => char::from_u32(code).expect("a character").escape_default().to_string(),
        Content::Combined(index) => rare.combined(index).escape_default().to_string(),
    };
    let extra = if cell.bg & EXTRA != 0 { rare.extra(cell.extra) } else { Extra::default() };
    let style = attr_state(screen, Attr { fg: cell.fg, bg: cell.bg, extra });
    if style == attr_state(screen, Attr::default()) { shown } else { format!("{shown}{{{}}}", style.trim()) }
}

fn attr_state(screen: &Screen, attr: Attr) -> String {
    let link = screen.terminal.rare.link(attr.extra.link).map(|link| format!("{}={}", link.id, link.uri));
    format!("{:x} {:x} {} {:x} {}", attr.fg, attr.bg, attr.extra.style(), attr.extra.colour(), link.unwrap_or_default())
}
