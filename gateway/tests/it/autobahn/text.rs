//! Section 6: text is UTF-8.

use super::case::{
    BINARY, CONTINUATION, FIN, HELLO,
    Outcome::{Closed, Input},
    TEXT, check, frame, input, text,
};

/// Each character of the first in a frame of its own, then the last.
fn in_fragments(payload: &[u8], size: usize) -> Vec<u8> {
    let mut frames = frame(TEXT, b"");
    payload.chunks(size).for_each(|piece| frames.extend(frame(CONTINUATION, piece)));
    frames.extend(frame(FIN | CONTINUATION, b""));
    frames
}

#[tokio::test]
async fn section_6_text_is_utf_8() {
    let kosme = "κόσμε".as_bytes();
    let bad = || Closed(Some(1007));
    let cut = [kosme, b"\xed\xa0\x80", b"edited"].concat();
    let mut cases = vec![
        ("6.1.1", text(b""), input(b"")),
        ("6.1.2", [frame(TEXT, b""), frame(CONTINUATION, b""), frame(FIN | CONTINUATION, b"")].concat(), input(b"")),
        ("6.1.3", [frame(TEXT, b""), frame(CONTINUATION, b"m"), frame(FIN | CONTINUATION, b"")].concat(), input(b"m")),
        ("6.2.1", text(HELLO), input(HELLO)),
        ("6.2.2", [frame(TEXT, &HELLO[..12]), frame(FIN | CONTINUATION, &HELLO[12..])].concat(), input(HELLO)),
        ("6.2.3", in_fragments(HELLO, 1), input(HELLO)),
        ("6.2.4", in_fragments(kosme, 1), input(kosme)),
        ("6.3.1", text(&cut), bad()),
        ("6.3.2", in_fragments(&cut, 1), bad()),
        ("6.4.1", [frame(TEXT, &cut), frame(FIN | CONTINUATION, b"x")].concat(), bad()),
        ("6.4.2", in_fragments(&[kosme, b"\xf4\x90\x80\x80", b"edited"].concat(), 1), bad()),
    ];
    // Sections 6.5 to 6.23: whole texts, good and bad, each as one message and in frames of one byte.
    let good: [(&str, &[u8]); 19] = [
        ("6.5.1", b"hello$world"),
        ("6.5.2", "hello¢world".as_bytes()),
        ("6.5.3", "hello€world".as_bytes()),
        ("6.5.4", "hello\u{24b62}world".as_bytes()),
        ("6.6.2", "κ".as_bytes()),
        ("6.6.5", "κό".as_bytes()),
        ("6.6.7", "κόσ".as_bytes()),
        ("6.6.9", "κόσμ".as_bytes()),
        ("6.6.11", "κόσμε".as_bytes()),
        ("6.7.1", b"\x00"),
        ("6.7.2", b"\xc2\x80"),
        ("6.7.3", b"\xe0\xa0\x80"),
        ("6.7.4", b"\xf0\x90\x80\x80"),
        ("6.9.1", b"\x7f"),
        ("6.9.2", b"\xdf\xbf"),
        ("6.9.3", b"\xef\xbf\xbf"),
        ("6.9.4", b"\xf4\x8f\xbf\xbf"),
        ("6.11.1", b"\xed\x9f\xbf"),
        ("6.11.5", b"\xf4\x8f\xbf\xbf"),
    ];
    let ill: [(&str, &[u8]); 28] = [
        ("6.6.1", b"\xce"),
        ("6.6.3", b"\xce\xba\xe1"),
        ("6.6.4", b"\xce\xba\xe1\xbd"),
        ("6.6.6", b"\xce\xba\xe1\xbd\xb9\xcf"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80"),
        ("6.13.1", b"\xc0 \xc1 \xc2 "),
        ("6.13.2", b"\xe0 \xe1 \xe2 "),
        ("6.13.3", b"\xf0 \xf1 \xf2 "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
        ("6.11.4", b"\xf4\x90\x80\x80"),
    ];
    cases.extend(good.into_iter().flat_map(|(number, bytes)| {
        [(number, text(bytes), input(bytes)), (number, in_fragments(bytes, 1), input(bytes))]
    }));
    cases.extend(
        ill.into_iter()
            .flat_map(|(number, bytes)| [(number, text(bytes), bad()), (number, in_fragments(bytes, 1), bad())]),
    );
    // Noncharacters are characters here.
    for (number, last) in [("6.22.1", '\u{fffe}'), ("6.22.2", '\u{ffff}'), ("6.22.34", '\u{10ffff}')] {
        let bytes = String::from(last).into_bytes();
        cases.push((number, text(&bytes), Input(bytes)));
    }
    cases.push(("6.23.1", text("\u{fffd}".as_bytes()), input("\u{fffd}".as_bytes())));
    check(cases).await;
}

#[tokio::test]
async fn binary_is_not_judged_as_text() {
    check(vec![("any bytes", frame(FIN | BINARY, b"\xff\xfe\xc0"), input(b"\xff\xfe\xc0"))]).await;
}
