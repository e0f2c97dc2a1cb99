//! The whole state as escape sequences.
//!
//! The order matters. Margins and origin mode move the cursor, so they come before it. Entering the alternate screen saves
//! the cursor of the normal one. A pending wrap and the character that a combining one would join exist only right after
//! printing, so that character comes last.

use crate::attr::{Attr, EXTRA, PROTECTED, UNDERLINE};
use crate::buffer::Buffer;
use crate::cell::{Cell, Content};
use crate::charset::Charset;
use crate::draw::{WIDE_BLANK, Writer, is_cut};
use crate::modes::{LastingModes, Modes};
use crate::palette::{FOREGROUND, told};
use crate::pen::sgr_but_underline;
use crate::tabs::Tabs;
use crate::terminal::Terminal;

/// From any state: ends what is under way, shows the normal screen, resets modes, charsets, link and attributes. The
/// alternate screen is shown once before, because xterm.js gives it its size only when it is left.
const RESET: &str = concat!(
    "\x18\x1b[?1049h\x1b[?1049l\x1b[!p\x1b[?1;9;45;66;1000;1002;1003;1004;1006;1016;2004;2026l\x1b[?7;25h\x1b[4;20l",
    "\x1b[?6l\x1b(B\x1b)B\x1b*B\x1b+B\x0f\x1b]8;;\x1b\\",
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\",
);
const ASCII: &str = "\x1b(B\x0f";
const BLANK_SCREEN: &str = "\x1b[r\x1b]8;;\x1b\\\x1b[0m\x1b[0\"q\x1b[H\x1b[J";

pub(crate) fn snapshot(terminal: &Terminal) -> Vec<u8> {
    let mut writer = Writer::new(&terminal.rare);
    writer.text(RESET);
    palette_and_title(&mut writer, terminal);
    writer.text(BLANK_SCREEN);
    writer.forget();
    tabs(&mut writer, &terminal.normal().tabs, terminal.normal().cols());
    writer.buffer(terminal.normal());
    if terminal.in_alternate {
        normal_behind(&mut writer, terminal.normal());
        alternate(&mut writer, terminal.alternate());
    } else {
        alternate_behind(&mut writer, terminal.alternate());
    }
    let buffer = &terminal.active;
    margins(&mut writer, buffer);
    saved_cursor(&mut writer, buffer);
    end_of_saved(&mut writer, buffer);
    writer.text(ASCII);
    lasting_modes(&mut writer, terminal.lasting);
    writer.text("\x1b[");
    writer.format(format_args!("{} q", terminal.modes.cursor.param()));
    here(&mut writer, terminal);
    writer.out
}

fn palette_and_title(writer: &mut Writer<'_>, terminal: &Terminal) {
    for (index, colour) in terminal.palette.changed() {
        match index.checked_sub(FOREGROUND) {
            None => writer.format(format_args!("\x1b]4;{index};{}\x1b\\", told(colour))),
            Some(special) => writer.format(format_args!("\x1b]{};{}\x1b\\", special + 10, told(colour))),
        }
    }
    writer.format(format_args!("\x1b]2;{}\x1b\\", terminal.title.as_deref().unwrap_or_default()));
}

/// While the screen is blank.
fn tabs(writer: &mut Writer<'_>, tabs: &Tabs, cols: usize) {
    writer.text("\x1b[3g");
    for x in tabs.stops().filter(|x| *x < cols) {
        writer.go(x, 0);
        writer.text("\x1bH");
    }
    if tabs.is_set(cols) {
        // Set while a wrap was pending.
        writer.fill_to_end(0, &vec![Cell::BLANK; cols]);
        writer.text("\x1bH");
        writer.redraw_end(0, &vec![Cell::BLANK; cols]);
    }
}

fn margins(writer: &mut Writer<'_>, buffer: &Buffer) {
    if !buffer.is_unmargined() {
        writer.format(format_args!("\x1b[{};{}r", buffer.top + 1, buffer.bottom + 1));
        writer.forget();
    }
}

/// The normal screen while the other one is shown.
fn normal_behind(writer: &mut Writer<'_>, normal: &Buffer) {
    margins(writer, normal);
    saved_cursor(writer, normal);
    if !end_of_saved(writer, normal) && (normal.x, normal.y) == (normal.saved.x, normal.saved_y()) {
        // What programs use, and the only one that every terminal knows. It saves the cursor, which has just been saved.
        writer.text("\x1b[?1049h");
        return writer.text(ASCII);
    }
    writer.text(ASCII);
    cursor(writer, normal);
    writer.text("\x1b[?1047h");
}

fn alternate(writer: &mut Writer<'_>, alternate: &Buffer) {
    writer.text(BLANK_SCREEN);
    writer.forget();
    tabs(writer, &alternate.tabs, alternate.cols());
    if alternate.row(0).wrapped {
        writer.wrap_into_first(alternate.cols());
    }
    writer.buffer(alternate);
}

/// The alternate screen keeps only its saved cursor when it is left.
fn alternate_behind(writer: &mut Writer<'_>, alternate: &Buffer) {
    writer.text("\x1b[?1049h");
    writer.forget();
    saved_cursor(writer, alternate);
    writer.text(ASCII);
    writer.text("\x1b[?1049l");
    writer.forget();
}

fn saved_cursor(writer: &mut Writer<'_>, buffer: &Buffer) {
    let saved = buffer.saved;
    let (x, y) = (saved.x.min(buffer.cols()), saved_row(buffer));
    if x == buffer.cols() {
        writer.fill_to_end(y, buffer.row(y).cells());
    } else {
        writer.go(x, y);
    }
    writer.flags_pen(Attr { fg: saved.fg, bg: saved.bg, ..Attr::default() });
    designate(writer, 0, saved.charset);
    writer.text("\x0f\x1b7");
}

/// Says whether it had to mend what a saved pending wrap took.
fn end_of_saved(writer: &mut Writer<'_>, buffer: &Buffer) -> bool {
    let cells = buffer.row(saved_row(buffer)).cells();
    let last = cells[cells.len() - 1];
    let mends = buffer.saved.x >= buffer.cols() && !last.has_content() && !last.is_tail();
    if mends {
        writer.text(ASCII);
        writer.redraw_end(saved_row(buffer), cells);
    }
    mends
}

fn saved_row(buffer: &Buffer) -> usize {
    buffer.saved_y().min(buffer.height() - 1)
}

fn designate(writer: &mut Writer<'_>, level: usize, set: Charset) {
    let slot = [b'(', b')', b'*', b'+'][level];
    writer.out.extend([0x1b, slot, set.name()]);
}

fn lasting_modes(writer: &mut Writer<'_>, modes: LastingModes) {
    let mouse = [modes.mouse.protocol, modes.mouse.encoding];
    for number in mouse.into_iter().filter(|number| *number != 0) {
        writer.format(format_args!("\x1b[?{number}h"));
    }
    if modes.cursor_hidden {
        writer.text("\x1b[?25l");
    }
    writer.format(format_args!("\x1b[?12{}", if modes.cursor_blink { 'h' } else { 'l' }));
    if modes.newline {
        writer.text("\x1b[20h");
    }
}

fn modes(writer: &mut Writer<'_>, modes: Modes) {
    let on = [
        (1, modes.application_cursor),
        (45, modes.reverse_wraparound),
        (66, modes.application_keypad),
        (1004, modes.send_focus),
        (2004, modes.bracketed_paste),
        (2026, modes.synchronized),
    ];
    for (number, _) in on.into_iter().filter(|(_, on)| *on) {
        writer.format(format_args!("\x1b[?{number}h"));
    }
    if !modes.wraparound {
        writer.text("\x1b[?7l");
    }
    if modes.insert {
        writer.text("\x1b[4h");
    }
}

/// The cursor, and everything that would not survive another sequence.
fn here(writer: &mut Writer<'_>, terminal: &Terminal) {
    let buffer = &terminal.active;
    if terminal.modes.origin {
        writer.text("\x1b[?6h");
        writer.forget();
        writer.origin = buffer.top;
    }
    let joined = last_printed(writer, terminal);
    if joined.is_none() {
        cursor(writer, buffer);
    }
    modes(writer, terminal.modes);
    charsets_and_pen(writer, terminal);
    if let Some((x, cell)) = joined {
        print_again(writer, terminal, x, cell);
    } else if !terminal.modes.wraparound && terminal.joins == 2 && buffer.x + 1 == buffer.cols() {
        drop_again(writer, terminal);
    }
}

/// A wide character that found no room is not to be seen, but a combining one would join what is there.
fn drop_again(writer: &mut Writer<'_>, terminal: &Terminal) {
    let (y, cells) = (terminal.active.y, terminal.active.row(terminal.active.y).cells());
    let before = cells[cells.len() - 2];
    if writer.is_widened(before) {
        return; // It would be cut. Nothing is to be seen of what the next mark joins.
    }
    if is_cut(cells, cells.len() - 1) {
        writer.go(cells.len() - 2, y);
        content(writer, terminal, before);
    }
    writer.text(WIDE_BLANK.encode_utf8(&mut [0; 4]));
}

fn cursor(writer: &mut Writer<'_>, buffer: &Buffer) {
    let cols = buffer.cols();
    let cells = buffer.row(buffer.y).cells();
    let last = cells[cols - 1];
    if buffer.x < cols {
        return writer.go(buffer.x, buffer.y);
    }
    if last.has_content() || last.is_tail() {
        writer.fill_to_end(buffer.y, cells);
    } else if cells.iter().all(|cell| *cell == last) {
        // The row was erased after the wrap became pending.
        writer.fill_to_end(buffer.y, cells);
        writer.pen(writer.attr_of(last));
        writer.text("\x1b[1K");
    } else {
        writer.go(cols - 1, buffer.y);
    }
    if buffer.x > cols {
        writer.text("\0\u{300}");
    }
}

/// Where the cell is that a combining character would join, if printing it once more leaves everything as it is.
fn last_printed(writer: &Writer<'_>, terminal: &Terminal) -> Option<(usize, Cell)> {
    let buffer = &terminal.active;
    let x = buffer.x.checked_sub(terminal.joins).filter(|_| terminal.joins > 0)?;
    let cell = *buffer.row(buffer.y).cells().get(x)?;
    let same = cell.width() == terminal.joins && cell.has_content() && cell.style() == terminal.style;
    let exact = terminal.pen.is_regular() || has_flags_of_saved(terminal);
    let before = x.checked_sub(1).map(|before| buffer.row(buffer.y).cells()[before]);
    let exact = exact && !before.is_some_and(|before| writer.is_widened(before));
    (same && exact && writer.attr_of(cell) == with_counting_extra(terminal.pen)).then_some((x, cell))
}

/// As a cell keeps it.
fn with_counting_extra(attr: Attr) -> Attr {
    if attr.bg & EXTRA != 0 { attr } else { Attr { extra: Default::default(), ..attr } }
}

fn print_again(writer: &mut Writer<'_>, terminal: &Terminal, x: usize, cell: Cell) {
    let (y, cells) = (terminal.active.y, terminal.active.row(terminal.active.y).cells());
    if x > 0 && is_cut(cells, x) {
        // Printed in one go with the wide character that it cut.
        writer.go(x - 1, y);
        content(writer, terminal, cells[x - 1]);
    } else {
        writer.go(x, y);
    }
    if terminal.modes.insert {
        // It makes its own room.
        writer.format(format_args!("\x1b[{}P", cell.width()));
    }
    content(writer, terminal, cell);
}

fn content(writer: &mut Writer<'_>, terminal: &Terminal, cell: Cell) {
    match cell.content() {
        Content::Char(code) => writer.content(Content::Char(terminal.charsets.current.unmap(code))),
        other => writer.content(other),
    }
}

fn charsets_and_pen(writer: &mut Writer<'_>, terminal: &Terminal) {
    let charsets = terminal.charsets;
    for (level, set) in charsets.sets.into_iter().enumerate().filter(|(_, set)| *set != Charset::Ascii) {
        designate(writer, level, set);
    }
    let shift = ["\x0f", "\x0e", "\x1bn", "\x1bo"][charsets.level];
    writer.text(shift);
    let foreign_set = charsets.current != charsets.sets[charsets.level];
    if terminal.pen.is_regular() && !foreign_set {
        return writer.pen(terminal.pen);
    }
    restored_pen(writer, terminal);
    if !foreign_set {
        writer.text(shift);
    }
}

fn has_flags_of_saved(terminal: &Terminal) -> bool {
    let (pen, saved) = (terminal.pen, terminal.active.saved);
    (pen.fg ^ saved.fg) & UNDERLINE == 0 && (pen.bg ^ saved.bg) & EXTRA == 0
}

/// Attributes or a charset as only a restored cursor brings them: so it is restored, and changed from there.
fn restored_pen(writer: &mut Writer<'_>, terminal: &Terminal) {
    let pen = terminal.pen;
    if pen.is_regular() {
        writer.text("\x1b8");
        writer.forget();
        cursor(writer, &terminal.active);
        writer.pen(pen);
    } else if has_flags_of_saved(terminal) {
        writer.extra(pen);
        writer.text("\x1b8");
        writer.forget();
        writer.format(format_args!("\x1b[{}m\x1b[{}\"q", sgr_but_underline(pen), u8::from(pen.bg & PROTECTED != 0)));
        // A wrap that is pending, too, would need other attributes.
        writer.go(terminal.active.x.min(terminal.active.cols() - 1), terminal.active.y);
    } else {
        // Nothing brings these flags now but another saved cursor. They are those of a character, not of the screen.
        writer.flags_pen(pen);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fed, state};

    /// A terminal in another state, even within a sequence.
    const ELSEWHERE: &str = "\x1b]2;x\x07\x1b[?1049h\x1b[2;3r\x1b[?6h\x1b[?7l\x1b[4h\x1b(0\x1b)0\x0e\x1b[3;4;31;42m\x1b]8;;y\x07qq\x1b[3g\x1b7\x1b[5";

    fn check(input: &str) {
        let from = Fed::new(5, 20, input);
        let mut to = Fed::new(5, 20, ELSEWHERE);
        to.feed(&String::from_utf8(from.0.snapshot()).expect("text"));
        assert_eq!(state(&to.0), state(&from.0), "{input:?} {:?}", String::from_utf8(from.0.snapshot()));
    }

    #[test]
    fn text_and_attributes_come_back() {
        check("");
        check("one\r\n\x1b[1;31mtwo\x1b[m three\x1b[44m\x1b[K\r\n\x1b[4:3;58;5;7mfour\x1b[9;38;2;1;2;3;41;48;5;9mfive");
        check("\x1b]8;id=1;https://a\x07one\x1b]8;;https://b\x07two\x1b]8;;\x07");
        check("\x1b[1\"qprotected\x1b[0\"q not");
        check("e\u{301}漢\u{302}\r\x1b[C\x1b[2Cx");
        check("\x1b[32ma\r\u{301}b");
        check("\x1b[?7l\x1b[1;18Hab漢\u{301}\u{302}c\x1b[2;20H漢\u{301}\u{302}\x1b[3;1H");
    }

    #[test]
    fn wrapped_rows_come_back() {
        let line = "0123456789abcdefghij";
        check(&format!("{line}{line}xy"));
        check(&format!("{line}{line}"));
        check(&format!("\x1b[41m{line}\x1b[42m{line}xy\x1b[1;18H\x1b[K\x1b[2;1H\x1b[1X"));
        check("0123456789abcdefghi漢字");
        check("\x1b[7m0123456789abcdefghi漢字");
        check("\x1b[7m0123456789abcdefghi漢字\x1b[2;1H\x1b[27mx");
        check(&format!("{line}{line}{line}{line}{line}{line}"));
        check(&format!("\x1b[?1049h{line}{line}{line}{line}{line}{line}"));
        check(&format!("\x1b[4m\x1b8{line}\x1b]8;;l\x1b\\x\x1b]8;;\x1b\\\x1b[m"));
    }

    #[test]
    fn the_cursor_comes_back_with_what_it_waits_for() {
        check("0123456789abcdefghij");
        check("0123456789abcdefghij\x1b[31m");
        check("0123456789abcdefghi漢");
        check("ab漢");
        check("0123456789abcdefghij\x1b[44m\x1b[1K");
        check("\x1b[2;4r\x1b[?6h\x1b[2;5Hx");
        check("\x1b[?7labc\x1b[4h");
        check("\x1b[3;5H\x1b[31m\x1b7\x1b[H\x1b[m");
        check("0123456789abcdefghij\x1b7\x1b[1;20H\x1b[X");
        check("\x1b[?1049h\x1b[3;5H\x1b[1;4m\x1b7\x1b[H\x1b[m");
        check("\x1b[?1049h\x1b[3;5H\x1b7\x1b[?1049l");
    }

    #[test]
    fn modes_and_sets_come_back() {
        check("\x1b[?1;45;66;1002;1004;1006;2004;2026h\x1b[?25l\x1b[20h\x1b[?12l\x1b[4 q");
        check("\x1b)0\x0eq");
        check("\x1b(4\x1b*0\x1bnqx");
        check("\x1b(0\x1b7\x1b(B\x1b8q");
        check("\x1b[4m\x1b7\x1b[m\x1b8\x1b[31m");
        check("\x1b[3g\x1b[5G\x1bH\x1b[2;4r");
        check("\x1b[2;4r\x1b[?1049h\x1b[3;5r\x1b[4G\x1bH");
        check("\x1b]4;3;#102030\x07\x1b]11;#ffffff\x07\x1b]2;title\x07");
    }
}
