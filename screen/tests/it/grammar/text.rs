//! Printable text, line ends, controls, and bytes that are not UTF-8.

use proptest::{collection::vec, prelude::*, sample::select};

pub(crate) fn words() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => "[a-z ]{1,12}", 2 => "[ -~]{1,30}", 1 => "[a-z]{30,90}", 1 => " {1,50}"]
        .prop_map(String::into_bytes)
}

pub(crate) fn line_ends() -> impl Strategy<Value = Vec<u8>> {
    select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", "\n\n\n\n", "\r\n\r\n\r\n\r\n\r\n\r\n"])
        .prop_map(|text| text.as_bytes().to_vec())
}

/// Two cells, no cell, and what joins others.
pub(crate) fn wide_and_combining() -> impl Strategy<Value = Vec<u8>> {
    let letter = select(vec![
        "\u{65e5}",
        "\u{672c}\u{8a9e}",
        "\u{d55c}",
        "\u{ff46}",
        "\u{1f600}",
        "\u{1f680}",
        "\u{20000}",
        "\u{e9}",
        "\u{301}",
        "\u{300}\u{301}",
        "a\u{301}",
        "\u{200d}",
        "\u{200b}",
        "\u{ad}",
        "\u{a0}",
        "\u{feff}",
        "\u{fe0f}",
        "\u{2764}\u{fe0f}",
        "\u{1f469}\u{200d}\u{1f4bb}",
        "\u{1f1e9}\u{1f1ea}",
        "\u{1f44d}\u{1f3fd}",
        "1\u{fe0f}\u{20e3}",
        "\u{915}\u{94d}",
        "\u{e33}",
        "\u{1100}\u{1161}\u{11a8}",
        "\u{e000}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{2500}\u{2588}\u{2502}",
        "\u{5d0}\u{5b8}",
        "\u{202e}",
        "\u{115f}",
        "\u{303f}",
        "\u{231a}",
        "\u{e0100}",
        "x",
        " ",
    ]);
    vec(letter, 1..8).prop_map(|letters| letters.concat().into_bytes())
}

pub(crate) fn controls() -> impl Strategy<Value = Vec<u8>> {
    let one = select(b"\x00\x05\x07\x08\x08\x08\x0b\x0c\x11\x18\x1a\x1c\x1f\x7f".to_vec());
    vec(one, 1..5)
}

pub(crate) fn broken_utf8() -> impl Strategy<Value = Vec<u8>> {
    let one: Vec<&'static [u8]> = vec![
        b"\xff",
        b"\xc3",
        b"\x80",
        b"\xa9",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xe6\x97",
        b"\xed\xa0\x80",
        b"\xf0\x9f",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x9b",
        b"\x9b1m",
        b"\xc2",
        b"\xef\xbb\xbf",
        b"\xef\xbf\xbe",
        b"\xc3\xa9",
    ];
    (select(one), select(vec!["", "a", "\r"])).prop_map(|(bytes, text)| [bytes, text.as_bytes()].concat())
}
