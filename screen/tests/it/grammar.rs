//! What programs write to terminals, and what they should not: pieces of random streams.
//!
//! Named exclusions, where xterm.js itself has no one answer:
//! - *Erase to the cursor, in the last column* (`CSI 1 J`): xterm.js then unmarks a row of its scrollback, or throws where
//!   there is none. The cursor steps back first.
//! - *Erase the scrollback* (`CSI 3 J`): xterm.js then restores a saved cursor lower by as many rows as the scrollback
//!   had, which is another number for each viewer. A test of its own has it.
//! - *A wide character in the last column, without wraparound*: xterm.js drops it, and what a combining character then
//!   joins depends on where the output was cut. Without wraparound characters are narrow.
//! - *Huge counts of what xterm.js does one by one* (`CSI b I L M S T Z` and 2^31): a page would hang for minutes. Such
//!   counts stay below 1000; every other parameter has no limit.

use proptest::{collection::vec, prelude::*, sample::select};

mod strings;
mod text;

/// Escape sequences and text, whole and broken.
pub(crate) fn token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => text::words(),
        6 => text::line_ends(),
        8 => text::wide_and_combining(),
        3 => text::controls(),
        2 => text::broken_utf8(),
        6 => sgr(),
        10 => cursor(),
        8 => edits(),
        4 => margins(),
        5 => modes(),
        4 => saved_cursor(),
        3 => alternate_screen(),
        4 => charsets(),
        3 => tabs(),
        3 => repeat(),
        3 => escapes(),
        3 => any_csi(),
        3 => strings::operating_system_commands(),
        2 => strings::others(),
        2 => beginnings(),
        1 => resets(),
    ]
}

/// The same, without what may ask something that one side alone answers.
pub(crate) fn silent_token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => text::words(), 3 => text::line_ends(), 3 => text::wide_and_combining(), 3 => cursor(), 2 => edits(), 3 => margins(), 4 => modes(), 2 => saved_cursor(), 2 => alternate_screen(), 1 => resets()]
}

/// `ESC [`, or the one control character that means the same, in UTF-8.
fn introducer() -> impl Strategy<Value = String> {
    prop_oneof![30 => Just("\x1b[".to_owned()), 1 => Just("\u{9b}".to_owned())]
}

fn csi(
    parameters: impl Strategy<Value = String>,
    last: impl Strategy<Value = &'static str>,
) -> impl Strategy<Value = Vec<u8>> {
    (introducer(), parameters, last)
        .prop_map(|(start, parameters, last)| format!("{start}{parameters}{last}").into_bytes())
}

/// Near numbers most often, then those at limits.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        10 => (0u32..12).prop_map(|number| number.to_string()),
        6 => (0u32..45).prop_map(|number| number.to_string()),
        3 => Just(String::new()),
        1 => select(vec!["999", "65535", "65536", "2147483647", "2147483648", "4294967297", "99999999999999999999", "007"])
            .prop_map(str::to_owned),
    ]
}

fn count() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 8 => (0u32..8).prop_map(|n| n.to_string()), 1 => (0u32..200).prop_map(|n| n.to_string())]
}

fn numbers(most: usize) -> impl Strategy<Value = String> {
    vec(number(), 0..=most).prop_map(|numbers| numbers.join(";"))
}

fn sgr() -> impl Strategy<Value = Vec<u8>> {
    let colour = (select(vec!["38", "48", "58"]), 0u32..256, 0u32..300, 0u32..256, 0usize..7).prop_map(
        |(kind, r, g, b, form)| match form {
            0 => format!("{kind};5;{r}"),
            1 => format!("{kind};2;{r};{g};{b}"),
            2 => format!("{kind}:5:{r}"),
            3 => format!("{kind}:2::{r}:{g}:{b}"),
            4 => format!("{kind}:2:{r}:{g}:{b}"),
            5 => format!("{kind};2;{r}"),
            _ => kind.to_owned(),
        },
    );
    let plain = prop_oneof![
        6 => (0u32..10).prop_map(|n| n.to_string()),
        3 => (21u32..60).prop_map(|n| n.to_string()),
        3 => (30u32..50).prop_map(|n| n.to_string()),
        2 => (90u32..110).prop_map(|n| n.to_string()),
        2 => select(vec!["4:0", "4:1", "4:2", "4:3", "4:4", "4:5", "4:6", "4:", "21", "53", "55", "59", "", "1:2", "999"]).prop_map(str::to_owned),
        4 => colour,
    ];
    csi(vec(plain, 0..4).prop_map(|all| all.join(";")), Just("m"))
}

fn cursor() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => csi((1u32..14, 1u32..44).prop_map(|(row, col)| format!("{row};{col}")), select(vec!["H", "f"])),
        4 => csi(number(), select(vec!["A", "B", "C", "D", "E", "F", "G", "d", "`", "a", "e"])),
        1 => csi(numbers(3), select(vec!["H", "f"])),
        // The last column, and the pending wrap behind it.
        2 => select(vec!["\x1b[999Cx", "\x1b[999C", "\x1b[999;999H", "\x1b[999Gxy"]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn edits() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => csi(select(vec!["", "0", "2", "?", "?0", "?2", "4"]).prop_map(str::to_owned), Just("J")),
        // The first named exclusion.
        2 => select(vec!["\x1b[D\x1b[1J", "\x1b[D\x1b[?1J"]).prop_map(|text| text.as_bytes().to_vec()),
        4 => csi(select(vec!["", "0", "1", "2", "?", "?0", "?1", "?2", "3"]).prop_map(str::to_owned), Just("K")),
        4 => csi(number(), select(vec!["@", "P", "X"])),
        4 => csi(count(), select(vec!["L", "M", "S", "T"])),
        1 => csi(number(), select(vec![" @", " A", "'}", "'~"])),
        1 => csi(select(vec!["", "0", "1", "2"]).prop_map(str::to_owned), Just("\"q")),
    ]
}

fn margins() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => csi((1u32..8, 2u32..14).prop_map(|(top, bottom)| format!("{top};{bottom}")), Just("r")),
        1 => csi(numbers(3), Just("r")),
        2 => Just(b"\x1b[?6h".to_vec()),
        1 => Just(b"\x1b[?6l".to_vec()),
    ]
}

fn modes() -> impl Strategy<Value = Vec<u8>> {
    let private = select(vec![
        "1", "2", "3", "6", "9", "12", "25", "45", "66", "67", "69", "1000", "1002", "1003", "1004", "1005", "1006",
        "1015", "1016", "1048", "2004", "2026", "2027", "2031", "9001",
    ]);
    prop_oneof![
        8 => csi(vec(private, 1..3).prop_map(|modes| format!("?{}", modes.join(";"))), select(vec!["h", "l"])),
        2 => csi(select(vec!["4", "20", "4;20", "2", "12"]).prop_map(str::to_owned), select(vec!["h", "l"])),
        1 => csi((0u32..8).prop_map(|style| style.to_string()), Just(" q")),
        1 => "[a-z]{1,60}".prop_map(|text| format!("\x1b[?7l{text}\x1b[?7h").into_bytes()),
        1 => select(vec!["\x1b=", "\x1b>", "\x1b[ q"]).prop_map(|text| text.as_bytes().to_vec()),
    ]
}

fn saved_cursor() -> impl Strategy<Value = Vec<u8>> {
    select(vec!["\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b[?1048h", "\x1b[?1048l"])
        .prop_map(|text| text.as_bytes().to_vec())
}

fn alternate_screen() -> impl Strategy<Value = Vec<u8>> {
    csi(select(vec!["?47", "?1047", "?1049", "?1049", "?1049"]).prop_map(str::to_owned), select(vec!["h", "h", "l"]))
}

fn charsets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (select(vec!["(", ")", "*", "+", "-", ".", "/"]), select(vec!["0", "B", "A", "4", "K", "<", "%5", "=", "Q"]))
            .prop_map(|(set, charset)| format!("\x1b{set}{charset}").into_bytes()),
        4 => select(vec!["\x0e", "\x0f", "\x1bn", "\x1bo", "\x1b|", "\x1b}", "\x1b~", "\x1bN", "\x1bO", "\x1b%G", "\x1b%@"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => Just(b"lqqk_`{|}~".to_vec()),
    ]
}

fn tabs() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => select(vec!["\t", "\x1bH", "\x1b[g", "\x1b[3g", "\x1b[0g", "\x1b[2g"]).prop_map(|text| text.as_bytes().to_vec()),
        1 => csi(count(), select(vec!["I", "Z"])),
    ]
}

fn repeat() -> impl Strategy<Value = Vec<u8>> {
    (select(vec!["", "a", "\u{65e5}", "e\u{301}", "\x1b[m"]), count())
        .prop_map(|(text, count)| format!("{text}\x1b[{count}b").into_bytes())
}

fn escapes() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "\x1bD", "\x1bE", "\x1bM", "\x1bM", "\u{84}", "\u{85}", "\u{88}", "\u{8d}", "\x1b#8", "\x1b#3", "\x1b\\",
        "\x1bZ", "\x1b F", "\x1b6", "\x1b9",
    ])
    .prop_map(|text| text.as_bytes().to_vec())
}

/// Sequences that nobody defined, with controls inside.
fn any_csi() -> impl Strategy<Value = Vec<u8>> {
    let prefix = select(vec!["", "", "", "?", ">", "<", "=", "!", "1?"]);
    let inside = select(vec!["", "", "", "", "", "\r", "\n", "\x08", "\x0e", "\x7f", ";;;", ":", "\x00", "\u{e9}"]);
    let intermediates = select(vec!["", "", "", "", " ", "!", "$", "\"", "'", "*", "$$", " !$"]);
    let last = select(vec![
        "@", "A", "C", "G", "H", "K", "P", "X", "^", "_", "c", "d", "f", "g", "i", "k", "m", "n", "o", "p", "q", "r",
        "s", "t", "u", "v", "w", "x", "y", "z", "{", "|", "}", "~",
    ]);
    (prefix, numbers(4), inside, intermediates, last).prop_map(|(prefix, numbers, inside, middle, last)| {
        format!("\x1b[{prefix}{numbers}{inside}{middle}{last}").into_bytes()
    })
}

/// Sequences that stop in the middle: what comes next decides.
fn beginnings() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "\x1b",
        "\x1b[",
        "\x1b[3",
        "\x1b[3;",
        "\x1b[?",
        "\x1b[?25",
        "\x1b[!",
        "\x1b]",
        "\x1b]0",
        "\x1b]0;tit",
        "\x1b]8;;http",
        "\x1bP",
        "\x1bP$q",
        "\x1bP1$",
        "\x1b_",
        "\x1b^",
        "\x1bX",
        "\x1b(",
        "\x1b#",
        "\x1b[38;2;1",
        "\x1b[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27;28;29;30;31;32;33;34",
    ])
    .prop_map(|text| text.as_bytes().to_vec())
}

fn resets() -> impl Strategy<Value = Vec<u8>> {
    select(vec!["\x1b[!p", "\x1b[!p", "\x1bc"]).prop_map(|text| text.as_bytes().to_vec())
}
