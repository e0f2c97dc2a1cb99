//! Attributes as the parameters of SGR.

use std::fmt::Write;

use crate::attr::{
    Attr, BLINK, BOLD, DIM, EXTRA, Extra, INVERSE, INVISIBLE, ITALIC, KIND, OVERLINE, PALETTE_16, PALETTE_256, RGB,
    STRIKE, UNDERLINE,
};

const FOREGROUND_FLAGS: [(u32, u32); 5] = [(BOLD, 1), (BLINK, 5), (INVERSE, 7), (INVISIBLE, 8), (STRIKE, 9)];
const BACKGROUND_FLAGS: [(u32, u32); 3] = [(DIM, 2), (ITALIC, 3), (OVERLINE, 53)];

/// From any state to these attributes; only links and protection are not among them.
pub(crate) fn sgr(attr: Attr) -> String {
    let mut params = String::from("0");
    add_flags(&mut params, attr);
    if attr.fg & UNDERLINE != 0 {
        add_style(&mut params, if attr.bg & EXTRA != 0 { attr.extra.style() } else { 1 });
    }
    add_underline_colour(&mut params, attr.extra);
    add_colours(&mut params, attr);
    params
}

/// To these flags and colours, without a touch on underlines.
pub(crate) fn sgr_but_underline(attr: Attr) -> String {
    let mut params = String::from("22;23;25;27;28;29;39;49;55");
    add_flags(&mut params, attr);
    add_colours(&mut params, attr);
    params
}

/// To these extra attributes, and no others.
pub(crate) fn sgr_extra(extra: Extra) -> String {
    let mut params = String::from("0");
    if extra.style() != 0 {
        add_style(&mut params, extra.style());
    }
    add_underline_colour(&mut params, extra);
    params
}

fn add_flags(params: &mut String, attr: Attr) {
    for (_, code) in FOREGROUND_FLAGS.iter().filter(|(flag, _)| attr.fg & flag != 0) {
        add(params, format_args!("{code}"));
    }
    for (_, code) in BACKGROUND_FLAGS.iter().filter(|(flag, _)| attr.bg & flag != 0) {
        add(params, format_args!("{code}"));
    }
}

fn add_style(params: &mut String, style: u32) {
    match style {
        0 | 1 => add(params, format_args!("4")),
        style => add(params, format_args!("4:{style}")),
    }
}

fn add_underline_colour(params: &mut String, extra: Extra) {
    let (kind, [red, green, blue], index) = parts(extra.colour());
    // Also what a palette colour left of a true colour before it.
    if kind == RGB || (kind == PALETTE_256 && (red, green) != (0, 0)) {
        add(params, format_args!("58:2::{red}:{green}:{blue}"));
    }
    if kind == PALETTE_256 {
        add(params, format_args!("58:5:{index}"));
    }
}

fn add_colours(params: &mut String, attr: Attr) {
    add_colour(params, attr.fg, 30);
    add_colour(params, attr.bg, 40);
}

fn add_colour(params: &mut String, colour: u32, base: u32) {
    let (kind, [red, green, blue], index) = parts(colour);
    if kind == RGB || (kind != 0 && (red, green) != (0, 0)) {
        add(params, format_args!("{};2;{red};{green};{blue}", base + 8));
    }
    match kind {
        PALETTE_16 if index < 8 => add(params, format_args!("{}", base + index)),
        PALETTE_16 => add(params, format_args!("{}", base + 60 + index - 8)),
        PALETTE_256 => add(params, format_args!("{};5;{index}", base + 8)),
        _ => {}
    }
}

fn parts(colour: u32) -> (u32, [u32; 3], u32) {
    (colour & KIND, [colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff], colour & 0xff)
}

fn add(params: &mut String, param: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = write!(params, ";{param}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fed;

    #[test]
    fn attributes_come_back_from_their_parameters() {
        let check = |params: &str, expected: &str| {
            let pen = Fed::new(5, 20, &format!("\x1b[{params}m")).pen();
            assert_eq!(sgr(pen), expected);
            assert_eq!(Fed::new(5, 20, &format!("\x1b[7;45m\x1b[{expected}m")).pen(), pen, "{params}");
        };
        check("", "0");
        check("1;2;3;4;5;7;8;9;53", "0;1;5;7;8;9;2;3;53;4");
        check("31;102", "0;31;102");
        check("38;5;200;48;2;1;2;3", "0;38;5;200;48;2;1;2;3");
        check("38;2;1;2;3;31", "0;38;2;1;2;1;31");
        check("4:3;58:2::1:2:3", "0;4:3;58:2::1:2:3");
        check("4;59", "0;4;58:2::255:255:255");
        check("58:2::1:2:3;58:5:9", "0;58:2::1:2:9;58:5:9");
    }
}
