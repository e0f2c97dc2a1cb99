//! Whether output may ask the terminal something. Most of it only draws: text, and sequences that no terminal answers.
//! Of all else it is supposed.

const ESC: u8 = 0x1b;
const ENQ: u8 = 0x05;
/// Controls of one byte (C1) stand in UTF-8 as this and themselves.
const BEFORE_C1: u8 = 0xc2;
const NEAR_BYTES: usize = 16;

/// What is known at the end of some output that began outside any sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asking {
    /// It draws, and no sequence is open.
    #[default]
    No,
    /// The same, but for the beginning of something that is not known yet.
    Escape,
    Control,
    Charset,
    C1,
    /// It may have asked: only the emulator can tell, and where the output is that follows.
    Maybe,
}

impl Asking {
    /// After these bytes.
    pub(super) fn then(mut self, mut bytes: &[u8]) -> Asking {
        loop {
            let at = match self {
                Asking::Maybe => return self,
                Asking::No => beginning(bytes),
                Asking::Control => bytes.iter().position(|byte| !matches!(byte, b'0'..=b'?')),
                Asking::Escape | Asking::Charset | Asking::C1 => (!bytes.is_empty()).then_some(0),
            };
            let Some(at) = at else { return self };
            self = self.next(bytes[at]);
            bytes = &bytes[at + 1..];
        }
    }

    fn next(self, byte: u8) -> Asking {
        match (self, byte) {
            (Asking::No, ESC) => Asking::Escape,
            (Asking::No, BEFORE_C1) => Asking::C1,
            (Asking::Escape, b'[') => Asking::Control,
            (Asking::Escape, b'(' | b')') => Asking::Charset,
            (Asking::Escape, b'7' | b'8' | b'=' | b'>' | b'D' | b'E' | b'M')
            | (Asking::Control, b'@'..=b'H' | b'J'..=b'M' | b'P' | b'S' | b'T' | b'X')
            | (Asking::Control, b'd' | b'f' | b'h' | b'l' | b'm' | b'r')
            | (Asking::Charset, b'0'..=b'~')
            | (Asking::C1, 0xa0..0xc0) => Asking::No,
            _ => Asking::Maybe,
        }
    }
}

/// Where a sequence or a question of one byte may begin.
fn beginning(bytes: &[u8]) -> Option<usize> {
    // Where one sequence follows on another the next is near, and nearer than `memchr` is good at.
    let (near, far) = bytes.split_at(bytes.len().min(NEAR_BYTES));
    let in_near = near.iter().position(|byte| matches!(*byte, ESC | ENQ | BEFORE_C1));
    in_near.or_else(|| Some(near.len() + memchr::memchr3(ESC, ENQ, BEFORE_C1, far)?))
}

#[cfg(test)]
mod tests {
    use podling_screen::Screen;
    use podling_session::size::WindowSize;
    use proptest::prelude::*;

    use super::*;

    fn after(bytes: &[u8]) -> Asking {
        Asking::No.then(bytes)
    }

    #[test]
    fn what_only_draws_asks_nothing() {
        let drawn = [
            "text\r\n",
            "Ελληνικά © ☃",
            "\x1b[1;38;5;7m",
            "\x1b[24;80H",
            "\x1b[?25l",
            "\x1b[K",
            "\x1b(B",
            "\x1b7",
            "\x1bM",
        ];
        for drawn in drawn {
            assert_eq!(after(format!("a{drawn}b").as_bytes()), Asking::No, "{drawn:?}");
        }
    }

    #[test]
    fn questions_and_what_is_not_known_may_ask() {
        let asked =
            ["\x05", "\x1b[c", "\x1b[6n", "\x1b[?7$p", "\x1b[18t", "\x1b]11;?\x07", "\x1bP$qm", "\x1bZ", "\u{9b}c"];
        for asked in asked {
            assert_eq!(after(format!("\x1b[1ma{asked}b").as_bytes()), Asking::Maybe, "{asked:?}");
        }
    }

    proptest! {
        #[test]
        fn what_asks_nothing_is_not_answered(pieces in prop::collection::vec(piece(), 0..24)) {
            let bytes = [pieces.concat(), b"x".to_vec()].concat(); // A character that is cut is no sequence.
            let mut screen = Screen::new(WindowSize::DEFAULT);
            screen.feed(&bytes);
            prop_assert!(screen.take_answers().is_empty() || after(&bytes) == Asking::Maybe);
            prop_assert!(screen.is_ground() || after(&bytes) != Asking::No);
        }

        #[test]
        fn it_does_not_matter_how_output_is_cut(pieces in prop::collection::vec(piece(), 0..24)) {
            let bytewise = pieces.iter().fold(Asking::No, |asking, piece| asking.then(piece));
            prop_assert_eq!(bytewise, after(&pieces.concat()));
        }
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let known: &[&[u8]] = &[
            b"x",
            b"\x1b",
            b"\x1b[",
            b"[",
            b"]",
            b"P",
            b"?",
            b">",
            b"$",
            b"6",
            b"11;",
            b"n",
            b"c",
            b"t",
            b"p",
            b"q",
            b"m",
            b"H",
            b"Z",
            b"\x05",
            b"\x07",
            b"\x18",
            b"\\",
            b"(",
            b"\xc2",
            b"\x9b",
            b"\x9a",
            b"\xe0\x82",
            b"\xce\x95",
        ];
        prop::sample::select(known).prop_map(<[u8]>::to_vec)
    }
}
