//! OSC, DCS, APC, PM and SOS: strings that begin and end, or do not.

use proptest::{prelude::*, sample::select};

fn terminator() -> impl Strategy<Value = &'static str> {
    select(vec!["\x07", "\x07", "\x1b\\", "\x1b\\", "\u{9c}", "\x18", "\x1a", "\x1b[m"])
}

/// Titles, links, colours, marks, the clipboard, and numbers that nobody defined.
pub(crate) fn operating_system_commands() -> impl Strategy<Value = Vec<u8>> {
    let command = select(vec![
        "0;title",
        "2;another title",
        "2;\u{65e5}\u{672c}",
        "1;icon",
        "2;",
        "8;;http://a.test/x",
        "8;id=1;http://b.test/y;z",
        "8;;",
        "8;;",
        "8;id=2;",
        "8",
        "4;1;rgb:ff/00/00",
        "10;#123456",
        "11;rgb:1/2/3",
        "12;red",
        "104",
        "104;1",
        "110",
        "111",
        "112",
        "52;c;aGk=",
        "7;file:///tmp",
        "9;done",
        "9;4;1;50",
        "133;A",
        "777;notify;a;b",
        "1337;File=:",
        "99999999999;x",
        "x;y",
        "",
        ";",
    ]);
    (command, terminator()).prop_map(|(command, end)| format!("\x1b]{command}{end}").into_bytes())
}

pub(crate) fn others() -> impl Strategy<Value = Vec<u8>> {
    let body = select(vec![
        "P+q544e",
        "Pq#0;2;0;0;0~~",
        "P1000p",
        "P=1s",
        "_Gi=1;AAAA",
        "^private",
        "Xsos\r\nx",
        "P1;2|17/ab",
        "P\r\n\x08x\u{e9}",
    ]);
    (body, terminator()).prop_map(|(body, end)| format!("\x1b{body}{end}").into_bytes())
}
