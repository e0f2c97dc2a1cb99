//! How far bytes are all of one kind. Blocks are looked at without branches within, so that they become vector code.

use memchr::memchr_iter;

/// How many printable ASCII characters `bytes` begins with.
pub(crate) fn printable_run(bytes: &[u8]) -> usize {
    let whole = 16 * bytes.chunks_exact(16).take_while(|block| is_printable(block)).count();
    whole + bytes[whole..].iter().take_while(|byte| is_printable(&[**byte])).count()
}

/// Whether all of `bytes` are printable ASCII.
pub(crate) fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, byte| all & (byte.wrapping_sub(0x20) < 0x5f))
}

/// How many bytes are printable characters, carriage returns, line feeds and tabs.
pub(crate) fn text_run(bytes: &[u8]) -> usize {
    let is_text = |byte: &u8| *byte >= 0x20 && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    let all = |block: &&[u8]| block.iter().fold(true, |all, byte| all & is_text(byte));
    let whole = 64 * bytes.chunks_exact(64).take_while(all).count();
    let run = whole + bytes[whole..].iter().take_while(|byte| is_text(byte)).count();
    // An 8-bit control is two bytes; the second may not be here yet.
    let is_control = |at: &usize| bytes.get(at + 1).is_none_or(|next| *next < 0xa0);
    memchr_iter(0xc2, &bytes[..run]).find(is_control).unwrap_or(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_printable_characters_end_at_the_first_other() {
        let check = |length: usize, end: &[u8]| {
            let bytes = [&vec![b'~'; length], end].concat();
            assert_eq!(printable_run(&bytes), length);
        };
        for length in [0, 1, 15, 16, 17, 100] {
            [&b""[..], b"\x1b", b"\x7f", b"\xc2", b"\n"].into_iter().for_each(|end| check(length, end));
        }
    }

    #[test]
    fn text_ends_at_the_first_control() {
        let check = |bytes: &[u8], expected| assert_eq!(text_run(bytes), expected);
        check("abc\r\n\tä漢\x1b[m".as_bytes(), 11);
        check(b"abc\x08", 3);
        check("abc\u{9b}".as_bytes(), 3);
        check(b"abc\xc2", 3);
        check("abc\u{a0}".as_bytes(), 5);
        check(&[&[b'a'; 200][..], b"\x7f"].concat(), 200);
    }
}
