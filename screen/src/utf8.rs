//! UTF-8, byte by byte. What is not UTF-8 vanishes, as in xterm.js; so does U+FEFF.

#[derive(Clone, Copy, Default)]
pub(crate) struct Decoder {
    /// Continuation bytes that are still to come.
    missing: u8,
    length: u8,
    code: u32,
}

impl Decoder {
    /// Whether it is within a character.
    pub(crate) fn is_pending(self) -> bool {
        self.missing > 0
    }

    /// The character that `byte` completes.
    pub(crate) fn push(&mut self, byte: u8) -> Option<u32> {
        if self.missing > 0 {
            if byte & 0xc0 == 0x80 {
                return self.go_on(byte);
            }
            self.missing = 0;
        }
        match byte {
            0..=0x7f => return Some(u32::from(byte)),
            0xc0..=0xdf => self.start(1, byte & 0x1f),
            0xe0..=0xef => self.start(2, byte & 0x0f),
            0xf0..=0xf7 => self.start(3, byte & 0x07),
            _ => {}
        }
        None
    }

    fn start(&mut self, missing: u8, bits: u8) {
        *self = Decoder { missing, length: missing + 1, code: u32::from(bits) };
    }

    fn go_on(&mut self, byte: u8) -> Option<u32> {
        self.code = self.code << 6 | u32::from(byte & 0x3f);
        self.missing -= 1;
        (self.missing == 0 && is_right(self.code, self.length)).then_some(self.code)
    }
}

/// Whether the code needs that many bytes, and is one of Unicode.
fn is_right(code: u32, length: u8) -> bool {
    match length {
        2 => code >= 0x80,
        3 => code >= 0x800 && !(0xd800..=0xdfff).contains(&code) && code != 0xfeff,
        _ => (0x1_0000..=0x10_ffff).contains(&code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_vanishes() {
        let check = |bytes: &[u8], expected: &str| {
            let mut decoder = Decoder::default();
            let text: String = bytes.iter().filter_map(|b| decoder.push(*b)).filter_map(char::from_u32).collect();
            assert_eq!(text, expected, "{bytes:x?}");
        };
        check("aé漢😀".as_bytes(), "aé漢😀");
        check(b"a\x80b\xffc", "abc");
        check(b"\xe2\x94a", "a");
        check(b"\xe2\xc3\xa9", "é");
        check(b"\xc0\x80\xe0\x80\x80\xed\xa0\x80\xf7\xbf\xbf\xbfa", "a");
        check("\u{feff}a".as_bytes(), "a");
    }
}
