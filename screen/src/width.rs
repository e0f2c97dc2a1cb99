//! How many columns a character takes.

use crate::width_ranges::{WIDE, ZERO};

const BMP: usize = 0x1_0000;

/// Two bits for each character of the basic plane.
static BASIC: [u8; BMP / 4] = basic();

const fn basic() -> [u8; BMP / 4] {
    let mut table = [0x55; BMP / 4];
    mark(&mut table, ZERO, 0);
    mark(&mut table, WIDE, 2);
    table
}

const fn mark(table: &mut [u8; BMP / 4], ranges: &[(u32, u32)], width: u8) {
    let mut at = 0;
    while at < ranges.len() && (ranges[at].0 as usize) < BMP {
        let mut code = ranges[at].0 as usize;
        while code <= ranges[at].1 as usize && code < BMP {
            let shift = code % 4 * 2;
            table[code / 4] = table[code / 4] & !(3 << shift) | width << shift;
            code += 1;
        }
        at += 1;
    }
}

/// For printable characters: `code` is neither a C0 nor a C1 control.
#[inline]
pub(crate) fn width(code: u32) -> usize {
    let code_at = code as usize;
    if code_at < BMP {
        return usize::from(BASIC[code_at / 4] >> (code_at % 4 * 2) & 3);
    }
    if is_in(ZERO, code) {
        0
    } else if is_in(WIDE, code) {
        2
    } else {
        1
    }
}

fn is_in(ranges: &[(u32, u32)], code: u32) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= code);
    after > 0 && code <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_unicode_11() {
        let check = |c: char, expected| assert_eq!(width(u32::from(c)), expected, "{c:?}");
        check('a', 1);
        check('~', 1);
        check('é', 1);
        check('─', 1);
        check('\u{301}', 0);
        check('\u{200d}', 0);
        check('\u{fe0f}', 0);
        check('漢', 2);
        check('한', 2);
        check('ｱ', 1);
        check('Ａ', 2);
        check('✅', 2);
        check('😀', 2);
        check('🦀', 2);
        check('\u{1f977}', 1); // Of Unicode 13.
        check('\u{e0100}', 0);
        check('\u{20000}', 2);
    }
}
