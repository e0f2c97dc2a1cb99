//! The colours that programs ask for and set: OSC 4, 10, 11, 12 and 104, 110, 111, 112.

use std::collections::BTreeMap;

pub(crate) const FOREGROUND: u16 = 256;
pub(crate) const BACKGROUND: u16 = 257;
pub(crate) const CURSOR: u16 = 258;

pub(crate) type Rgb = [u8; 3];

/// The page's dark theme for what has a name there; a program asks in order to tell light from dark.
const DEFAULT_FOREGROUND: Rgb = [0xd8, 0xde, 0xe9];
const DEFAULT_BACKGROUND: Rgb = [0x0d, 0x10, 0x17];
const DEFAULT_CURSOR: Rgb = [0x7c, 0xc5, 0xff];
const DEFAULT_16: [Rgb; 16] = [
    [0x1c, 0x22, 0x30],
    [0xf2, 0x77, 0x7a],
    [0x8f, 0xd1, 0x8a],
    [0xf0, 0xc6, 0x74],
    [0x7a, 0xa8, 0xf7],
    [0xc4, 0x9a, 0xf0],
    [0x6f, 0xcf, 0xd6],
    [0xcb, 0xd3, 0xe1],
    [0x66, 0x70, 0x86],
    [0xff, 0x9a, 0x9c],
    [0xae, 0xe6, 0xa4],
    [0xff, 0xdc, 0x95],
    [0xa3, 0xc4, 0xff],
    [0xdd, 0xbd, 0xff],
    [0x98, 0xe6, 0xeb],
    [0xf5, 0xf8, 0xff],
];

/// What was set, by index: 0 to 255, then the three above.
#[derive(Default)]
pub(crate) struct Palette(BTreeMap<u16, Rgb>);

impl Palette {
    pub(crate) fn get(&self, index: u16) -> Rgb {
        self.0.get(&index).copied().unwrap_or_else(|| default(index))
    }

    pub(crate) fn set(&mut self, index: u16, colour: Rgb) {
        self.0.insert(index, colour);
    }

    pub(crate) fn restore(&mut self, index: u16) {
        self.0.remove(&index);
    }

    /// OSC 104 without a number: all but the three with a sequence of their own.
    pub(crate) fn restore_indexed(&mut self) {
        self.0.retain(|index, _| *index >= FOREGROUND);
    }

    pub(crate) fn changed(&self) -> impl Iterator<Item = (u16, Rgb)> {
        self.0.iter().map(|(index, colour)| (*index, *colour))
    }
}

fn default(index: u16) -> Rgb {
    const LEVELS: [u8; 6] = [0, 0x5f, 0x87, 0xaf, 0xd7, 0xff];
    let level = |n: u16| LEVELS[usize::from(n % 6)];
    match index {
        FOREGROUND => DEFAULT_FOREGROUND,
        BACKGROUND => DEFAULT_BACKGROUND,
        CURSOR => DEFAULT_CURSOR,
        0..=15 => DEFAULT_16[usize::from(index)],
        16..=231 => [level((index - 16) / 36), level((index - 16) / 6), level(index - 16)],
        _ => [u8::try_from(8 + (index.min(255) - 232) * 10).unwrap_or(u8::MAX); 3],
    }
}

/// `rgb:r/g/b` with one to four hexadecimal digits each, or `#` and three to twelve of them.
pub(crate) fn parse(text: &str) -> Option<Rgb> {
    let text = text.to_ascii_lowercase();
    if let Some(parts) = text.strip_prefix("rgb:") {
        let parts: Vec<&str> = parts.split('/').collect();
        let [red, green, blue] = parts[..] else { return None };
        let same = red.len() == green.len() && green.len() == blue.len() && (1..=4).contains(&red.len());
        return same.then(|| Some([scaled(red)?, scaled(green)?, scaled(blue)?])).flatten();
    }
    let digits = text.strip_prefix('#')?;
    let each = digits.len() / 3;
    let right = matches!(digits.len(), 3 | 6 | 9 | 12) && digits.is_ascii();
    right.then(|| Some([high(&digits[..each])?, high(&digits[each..2 * each])?, high(&digits[2 * each..])?])).flatten()
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The full range of so many digits is 0 to 255.
fn scaled(digits: &str) -> Option<u8> {
    let most = (1_u32 << (4 * digits.len())) - 1;
    u8::try_from((number(digits)? * 255 * 2 + most) / (2 * most)).ok()
}

/// The digits are the highest ones.
fn high(digits: &str) -> Option<u8> {
    let number = number(digits)?;
    u8::try_from(if digits.len() == 1 { number << 4 } else { number >> (4 * (digits.len() - 2)) }).ok()
}

/// As terminals tell a colour: 16 bits each.
pub(crate) fn told([red, green, blue]: Rgb) -> String {
    format!("rgb:{red:02x}{red:02x}/{green:02x}{green:02x}/{blue:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_both_forms() {
        let check = |text, expected| assert_eq!(parse(text), expected, "{text}");
        check("rgb:ff/80/00", Some([255, 128, 0]));
        check("rgb:f/8/0", Some([255, 136, 0]));
        check("rgb:ffff/8080/0000", Some([255, 128, 0]));
        check("RGB:FF/80/00", Some([255, 128, 0]));
        check("#f80", Some([0xf0, 0x80, 0]));
        check("#ff8000", Some([255, 128, 0]));
        check("#ffff80800000", Some([255, 128, 0]));
        check("rgb:ff/80", None);
        check("rgb:ff/8/00", None);
        check("#ff80", None);
        check("#ééé", None);
        check("red", None);
    }

    #[test]
    fn colours_that_nobody_set_have_a_default() {
        let palette = Palette::default();
        let check = |index, expected: &str| assert_eq!(told(palette.get(index)), expected);
        check(196, "rgb:ffff/0000/0000");
        check(16, "rgb:0000/0000/0000");
        check(255, "rgb:eeee/eeee/eeee");
        check(BACKGROUND, "rgb:0d0d/1010/1717");
    }
}
