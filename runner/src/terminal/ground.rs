//! Where output may be cut so that no escape sequence and no character is cut with it.

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// The most bytes at the front of `bytes` that end outside any sequence and any character, when they begin so. What
/// lies behind is the beginning of something. Only the end of the bytes is looked at.
pub(super) fn settled(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    while let Some(start) = last_opener(&bytes[..end]) {
        if is_complete(&bytes[start..end]) {
            break;
        }
        end = start;
    }
    whole_characters(&bytes[..end])
}

/// Where the last sequence begins. `ESC \` ends a string and begins nothing.
fn last_opener(bytes: &[u8]) -> Option<usize> {
    let opens = |at: &usize| match &bytes[*at..] {
        [ESC, b'\\', ..] => false,
        [ESC, ..] => true,
        [0xc2, c1, ..] => matches!(c1, 0x90 | 0x98 | 0x9b | 0x9d | 0x9e | 0x9f),
        _ => false,
    };
    memchr::memrchr2_iter(ESC, 0xc2, bytes).find(opens)
}

/// Whether a sequence that begins here has come to its end.
fn is_complete(sequence: &[u8]) -> bool {
    let cancels = |byte: u8| matches!(byte, 0x18 | 0x1a);
    let (introducer, rest) = match sequence {
        [0xc2, c1, rest @ ..] => (c1 - 0x40, rest),
        [ESC, rest @ ..] => match rest.iter().position(|byte| !matches!(byte, 0..0x18 | 0x1c..0x20)) {
            Some(at) => (rest[at], &rest[at + 1..]),
            None => return false,
        },
        _ => return true,
    };
    match introducer {
        b'[' => rest.iter().any(|byte| matches!(byte, 0x40..=0x7e) || cancels(*byte)),
        b' '..=b'/' => rest.iter().any(|byte| matches!(byte, 0x30..=0x7e) || cancels(*byte)),
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let ends = |at: usize| match &rest[at..] {
                [ESC, b'\\', ..] | [0xc2, 0x9c, ..] => true,
                [BEL, ..] => introducer == b']',
                [byte, ..] => cancels(*byte),
                [] => false,
            };
            (0..rest.len()).any(ends)
        }
        _ => true,
    }
}

/// The length without a character of UTF-8 that is cut.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needs = match bytes[at] {
            0x80..0xc0 => continue,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => 1,
        };
        return if needs > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn output_is_cut_before_what_is_not_complete() {
        let check = |bytes: &[u8], rest: &[u8]| {
            let cut = settled(bytes);
            assert_eq!(&bytes[cut..], rest, "{:?}", bytes.escape_ascii().to_string());
        };
        check(b"", b"");
        check(b"plain text\r\n", b"");
        check(b"a\x1b[1mb", b"");
        check(b"a\x1b[1", b"\x1b[1");
        check(b"a\x1b[1mb\x1b", b"\x1b");
        check(b"\x1b]0;title", b"\x1b]0;title");
        check(b"\x1b]0;title\x07x", b"");
        check(b"\x1b]0;title\x1b\\x", b"");
        check(b"x\x1b]0;title\x1b", b"\x1b]0;title\x1b");
        check(b"\x1bP1$r\x07m", b"\x1bP1$r\x07m");
        check(b"\x1b]0;open\x1b[", b"\x1b]0;open\x1b[");
        check(b"\x1b]0;open\x1b[m.", b"");
        check(b"\x1b(", b"\x1b(");
        check(b"\x1b(B", b"");
        check(b"\x1b[12\x18", b"");
        check("\u{9b}31".as_bytes(), "\u{9b}31".as_bytes());
        check("\u{9b}31mé".as_bytes(), b"");
        check(b"caf\xc3", b"\xc3");
        check(b"\x1b[m\xe2\x82", b"\xe2\x82");
        check(b"\xf0\x9f\x98\x80", b"");
        check(b"\xff\x80", b"");
    }

    proptest! {
        #[test]
        fn more_output_never_moves_a_cut_back(pieces in prop::collection::vec(piece(), 0..12), at in any::<prop::sample::Index>()) {
            let bytes = pieces.concat();
            let some = at.index(bytes.len() + 1);
            let cut = settled(&bytes[..some]);
            prop_assert!(cut <= settled(&bytes) || settled(&bytes[cut..]) == 0);
        }
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let known: &[&[u8]] =
            &[b"text", b"\x1b[1m", b"\x1b]0;t\x07", b"\x1bPq\x1b\\", b"\x1b", b"\xc3\xa9\xc2\x9bm", b"\x1b]x"];
        prop::sample::select(known).prop_map(<[u8]>::to_vec)
    }
}
