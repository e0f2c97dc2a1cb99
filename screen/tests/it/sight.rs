//! The judge sees every kind of difference: one that it overlooked would pass for equal.

use podling_session::size::WindowSize;

use crate::oracle::{Case, Oracle};

/// What A gets, what B gets, and what is said to differ.
const DIFFERENCES: [(&str, &str, &str); 34] = [
    ("a", "b", "normal row 0"),
    ("\x1b[1ma\x1b[m", "a\x1b[m", "normal row 0"),
    ("\x1b[4:3ma\x1b[m", "\x1b[4ma\x1b[m", "normal row 0"),
    ("\x1b[58;5;1;4ma\x1b[m", "\x1b[4ma\x1b[m", "normal row 0"),
    ("\x1b]8;;http://a\x07a\x1b]8;;\x07", "a\x1b]8;;\x07", "normal row 0"),
    ("e\u{301}\r", "e\r", "normal row 0"),
    (" \r", "\r", "normal row 0"),
    ("\x1b[1\"qa\x1b[0\"q", "a\x1b[0\"q", "normal row 0"),
    ("\x1b[m", "\x1b[1m", "attributes"),
    ("\x1b[5;5H", "\x1b[5;6H", "normal cursor"),
    ("\x1b[80Gx", "\x1b[80Gx\x08\x1b[C", "can be repeated"),
    ("\x1b[80Gx\x1b[m", "\x1b[80Gx\x1b[80G", "normal cursor"),
    ("\x1b[5;10r", "\x1b[5;11r", "normal margins"),
    ("\x1b[9GA\x1b7\r", "\x1b[9GA\r", "normal saved"),
    ("\x1b[1m\x1b7\x1b[m", "\x1b7\x1b[m", "normal saved attributes"),
    ("\x1b(0\x1b7\x1b(B", "\x1b7\x1b(B", "normal saved charset"),
    ("\x1b(0", "\x1b(B", "charsets"),
    ("\x1b)0", "\x1b)B", "charsets"),
    ("\x0e", "\x0f", "charsets"),
    ("\x1b[3g", "\x1b[g", "normal tabs"),
    ("\x1b[?1h", "\x1b[?1l", "applicationCursorKeys"),
    ("\x1b=", "\x1b>", "applicationKeypad"),
    ("\x1b[?2004h", "\x1b[?2004l", "bracketedPasteMode"),
    ("\x1b[?1003h", "\x1b[?1000h", "mouse"),
    ("\x1b[?1006h", "\x1b[?1006l", "mouse"),
    ("\x1b[?25l", "\x1b[?25h", "cursor hidden"),
    ("\x1b[5 q", "\x1b[3 q", "cursor style"),
    ("\x1b[4h", "\x1b[4l", "insert mode"),
    ("\x1b[20h", "\x1b[20l", "newline mode"),
    ("\x1b]2;title\x07", "\x1b]2;other\x07", "title"),
    ("\x1b]4;1;red\x07\x1b]4;1;#123456\x07", "\x1b]4;1;#123457\x07", "colours"),
    ("\x1b[?1049ha\x1b[?1049l", "\x1b[?1049ha\r", "buffer"),
    ("\x1b[?1049ha\r", "\x1b[?1049hb\r", "alt row 0"),
    ("\x1b[999Cxx\r", "\x1b[999Cx\r\nx\r", "normal row 1"),
];

#[test]
fn the_oracle_sees_every_kind_of_difference() {
    let mut oracle = Oracle::start();
    for (a, b, what) in DIFFERENCES {
        let mut case = Case::new(WindowSize::DEFAULT);
        case.write("A", a.as_bytes());
        case.write("B", b.as_bytes());
        case.compare("here");
        let seen: Vec<_> = oracle.judge(&case).differences.into_iter().map(|[_, what, ..]| what).collect();
        assert!(seen.iter().any(|seen| seen == what), "{} and {}: {seen:?}", a.escape_debug(), b.escape_debug());
    }
}

#[test]
fn the_oracle_counts_what_a_keyframe_moves_into_the_scrollback() {
    let mut case = Case::new(WindowSize::DEFAULT);
    case.write("A", b"");
    case.keyframe("B", "\n".repeat(26).as_bytes());
    assert_eq!(Oracle::start().judge(&case).grown, 3);
}
