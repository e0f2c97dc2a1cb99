//! SGR: how the next characters look.

use crate::attr::{
    BLINK, BOLD, COLOUR, DIM, INVERSE, INVISIBLE, ITALIC, KIND, OVERLINE, PALETTE_16, PALETTE_256, PROTECTED, RGB,
    STRIKE,
};
use crate::params::{ABSENT, Params};
use crate::terminal::Terminal;

/// The byte of a palette index.
const INDEX: u32 = 0xff;

impl Terminal {
    pub(crate) fn select_graphics(&mut self, params: &Params) {
        let mut at = 0;
        while at < params.len() {
            at += self.graphic(params, at);
        }
        self.pen_changed();
        self.tidy();
    }

    /// Says how many parameters it took.
    fn graphic(&mut self, params: &Params, at: usize) -> usize {
        let pen = &mut self.pen;
        let param = params.get(at);
        // Never negative: only sub-parameters can be absent.
        let digit = u32::try_from(param % 10).unwrap_or(0);
        match param {
            0 => pen.reset(),
            1 => pen.fg |= BOLD,
            2 => pen.bg |= DIM,
            3 => pen.bg |= ITALIC,
            4 => pen.underline(underline_style(params.subs(at))),
            5 => pen.fg |= BLINK,
            7 => pen.fg |= INVERSE,
            8 => pen.fg |= INVISIBLE,
            9 => pen.fg |= STRIKE,
            21 => pen.underline(2),
            22 => (pen.fg, pen.bg) = (pen.fg & !BOLD, pen.bg & !DIM),
            23 => pen.bg &= !ITALIC,
            24 => pen.underline(0),
            25 => pen.fg &= !BLINK,
            27 => pen.fg &= !INVERSE,
            28 => pen.fg &= !INVISIBLE,
            29 => pen.fg &= !STRIKE,
            30..=37 => pen.fg = indexed(pen.fg, PALETTE_16, digit),
            40..=47 => pen.bg = indexed(pen.bg, PALETTE_16, digit),
            90..=97 => pen.fg = indexed(pen.fg, PALETTE_16, digit | 8),
            100..=107 => pen.bg = indexed(pen.bg, PALETTE_16, digit | 8),
            39 => pen.fg &= !COLOUR,
            49 => pen.bg &= !COLOUR,
            38 | 48 | 58 => return self.extended_colour(params, at),
            53 => pen.bg |= OVERLINE,
            55 => pen.bg &= !OVERLINE,
            59 => {
                // What xterm.js takes for no colour: it shows as white.
                pen.extra.set_colour(COLOUR);
                pen.note_extra();
            }
            _ => {}
        }
        1
    }

    /// SGR 38, 48 and 58, in the forms with semicolons and with colons, and mixed as xterm.js reads them.
    fn extended_colour(&mut self, params: &Params, at: usize) -> usize {
        let (fields, taken) = colour_fields(params, at);
        let pen = &mut self.pen;
        match params.get(at) {
            38 => pen.fg = changed(pen.fg, fields),
            48 => pen.bg = changed(pen.bg, fields),
            _ => {
                let colour = changed(pen.extra.colour(), fields);
                pen.extra.set_colour(colour);
            }
        }
        taken
    }

    /// DECSCA.
    pub(crate) fn select_protected(&mut self, param: i32) {
        match param {
            1 => self.pen.bg |= PROTECTED,
            0 | 2 => self.pen.bg &= !PROTECTED,
            _ => {}
        }
        self.pen_changed();
    }
}

fn underline_style(subs: &[i32]) -> u32 {
    match subs.first() {
        Some(style @ 0..=5) => u32::try_from(*style).unwrap_or(1),
        _ => 1,
    }
}

/// Only the lowest byte changes.
fn indexed(old: u32, kind: u32, index: u32) -> u32 {
    old & !(KIND | INDEX) | kind | index
}

/// `fields`: which attribute, the form, a colour space that nobody reads, and the values.
fn changed(old: u32, fields: [i32; 6]) -> u32 {
    let byte = |value: i32| value.cast_unsigned() & 0xff;
    match fields[1] {
        2 => old & !COLOUR | RGB | byte(fields[3]) << 16 | byte(fields[4]) << 8 | byte(fields[5]),
        5 => indexed(old, PALETTE_256, byte(fields[3])),
        _ => old,
    }
}

/// Sorts the parameters of a colour into their places, and says how many there were. A form with sub-parameters has a
/// field for the colour space, one without has not; palette indexes skip it in both.
fn colour_fields(params: &Params, at: usize) -> ([i32; 6], usize) {
    let mut fields = [0, 0, ABSENT, 0, 0, 0];
    let mut skip = 0;
    let mut taken = 0;
    let mut is_complete = false;
    while !is_complete && at + taken < params.len() && taken + skip < fields.len() {
        fields[taken + skip] = params.get(at + taken);
        let subs = params.subs(at + taken);
        if !subs.is_empty() {
            for (n, sub) in subs.iter().enumerate() {
                if fields[1] == 5 {
                    skip = 1;
                }
                let Some(field) = fields.get_mut(taken + n + 1 + skip) else { break };
                *field = *sub;
            }
        }
        is_complete = match fields[1] {
            _ if !subs.is_empty() => true,
            5 => taken + skip >= 2,
            2 => taken + skip >= 5,
            _ => false,
        };
        if fields[1] != 0 {
            skip = 1;
        }
        taken += 1;
    }
    fields[2..].iter_mut().for_each(|field| *field = (*field).max(0));
    // A form that nobody knows takes the parameter behind its fields, too.
    (fields, if is_complete { taken } else { taken + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::UNDERLINE;
    use crate::testing::Fed;

    fn check(input: &str, fg: u32, bg: u32) {
        let attr = Fed::new(5, 20, input).pen();
        assert_eq!((attr.fg, attr.bg & !crate::attr::EXTRA), (fg, bg), "{input:?}");
    }

    #[test]
    fn flags_are_set_and_cleared() {
        check("\x1b[1;3;7m", BOLD | INVERSE, ITALIC);
        check("\x1b[1;2;3;4;5;7;8;9;53m\x1b[22;23;24;25;27;28;29;55m", 0, 0);
        check("\x1b[1;3;7;31m\x1b[m", 0, 0);
        check("\x1b[4m", UNDERLINE, 0);
        check("\x1b[4:0m", 0, 0);
    }

    #[test]
    fn colours_have_many_forms() {
        check("\x1b[31;42m", PALETTE_16 | 1, PALETTE_16 | 2);
        check("\x1b[91;102m", PALETTE_16 | 9, PALETTE_16 | 10);
        check("\x1b[38;5;200m", PALETTE_256 | 200, 0);
        check("\x1b[38;5;200;1m", PALETTE_256 | 200 | BOLD, 0);
        check("\x1b[38:5:200;1m", PALETTE_256 | 200 | BOLD, 0);
        check("\x1b[38;2;1;2;3;48;2;4;5;6m", RGB | 0x01_0203, RGB | 0x04_0506);
        check("\x1b[38:2::1:2:3;1m", RGB | 0x01_0203 | BOLD, 0);
        check("\x1b[38;2;1;2;3;1m", RGB | 0x01_0203 | BOLD, 0);
        check("\x1b[31;39;42;49m", 0, 0);
    }

    #[test]
    fn underlines_have_styles_and_colours() {
        let check = |input: &str, style, colour| {
            let attr = Fed::new(5, 20, input).pen();
            assert_eq!((attr.extra.style(), attr.extra.colour()), (style, colour), "{input:?}");
        };
        check("\x1b[4:3;58;2;1;2;3m", 3, RGB | 0x01_0203);
        check("\x1b[4:9m", 1, 0);
        check("\x1b[21m", 2, 0);
        check("\x1b[4;58:5:7m", 1, PALETTE_256 | 7);
        check("\x1b[4;58:5:7m\x1b[0m", 0, 0);
    }
}
