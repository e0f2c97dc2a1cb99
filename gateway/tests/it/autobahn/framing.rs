//! Sections 1 to 5: lengths, pings, reserved bits and opcodes, fragments.

use super::case::{
    BINARY, CLOSE, CONTINUATION, FIN, HELLO,
    Outcome::{Closed, Input, Pongs},
    PING, PONG, TEXT, check, frame, input, text,
};

#[tokio::test]
async fn section_1_frames_of_every_length() {
    let sizes = [0, 125, 126, 127, 128, 65_535, 65_536];
    let mut cases = Vec::new();
    for (numbers, kind) in [
        (["1.1.1", "1.1.2", "1.1.3", "1.1.4", "1.1.5", "1.1.6", "1.1.7"], TEXT),
        (["1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5", "1.2.6", "1.2.7"], BINARY),
    ] {
        for (number, size) in numbers.into_iter().zip(sizes) {
            let payload = vec![b'*'; size];
            cases.push((number, frame(FIN | kind, &payload), Input(payload)));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn section_2_pings_and_pongs() {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let pong = |payload: &[u8]| Pongs(vec![payload.to_vec()]);
    let ten: Vec<_> = (0..10).map(|n| format!("payload-{n}").into_bytes()).collect();
    let longest = [0xfe; 125];
    check(vec![
        ("2.1", ping(b""), pong(b"")),
        ("2.2", ping(b"Hello, world!"), pong(b"Hello, world!")),
        ("2.3", ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), pong(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
        ("2.4", ping(&longest), pong(&longest)),
        ("2.5", ping(&[0xfe; 126]), Closed(Some(1002))),
        ("2.6", ping(&longest), pong(&longest)), // In pieces of one byte, as every short case here.
        ("2.7", frame(FIN | PONG, b""), input(b"")),
        ("2.8", frame(FIN | PONG, b"unasked"), input(b"")),
        ("2.9", [frame(FIN | PONG, b"unasked"), ping(b"ping")].concat(), pong(b"ping")),
        ("2.10", ten.iter().flat_map(|payload| ping(payload)).collect(), Pongs(ten.clone())),
        ("2.11", ten.iter().flat_map(|payload| ping(payload)).collect(), Pongs(ten)),
    ])
    .await;
}

#[tokio::test]
async fn section_3_reserved_bits() {
    let bad = |bits: u8, opcode| frame(FIN | bits << 4 | opcode, b"x");
    check(vec![
        ("3.1", bad(1, TEXT), Closed(Some(1002))),
        ("3.2", [text(HELLO), bad(2, TEXT), frame(FIN | PING, b"")].concat(), Closed(Some(1002))),
        ("3.3", [text(HELLO), bad(3, TEXT), frame(FIN | PING, b"")].concat(), Closed(Some(1002))),
        ("3.4", [text(HELLO), bad(4, TEXT), frame(FIN | PING, b"")].concat(), Closed(Some(1002))),
        ("3.5", bad(5, BINARY), Closed(Some(1002))),
        ("3.6", bad(6, PING), Closed(Some(1002))),
        ("3.7", bad(7, CLOSE), Closed(Some(1002))),
    ])
    .await;
}

#[tokio::test]
async fn section_4_reserved_opcodes() {
    let mut cases = Vec::new();
    for (numbers, opcodes) in [
        (["4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.1.5"], 0x3..=0x7),
        (["4.2.1", "4.2.2", "4.2.3", "4.2.4", "4.2.5"], 0xb..=0xf),
    ] {
        for ((number, opcode), payload) in numbers.into_iter().zip(opcodes).zip([&b""[..], b"reserved", b"", b"x", b""])
        {
            let sent = [text(HELLO), frame(FIN | opcode, payload), frame(FIN | PING, b"")].concat();
            cases.push((number, sent, Closed(Some(1002))));
        }
    }
    check(cases).await;
}

#[tokio::test]
async fn section_5_fragments() {
    let (first, last) = (frame(TEXT, b"fragment1"), frame(FIN | CONTINUATION, b"fragment2"));
    let (middle, ping) = (frame(CONTINUATION, b"fragment1"), frame(FIN | PING, b"ping"));
    let both = || input(b"fragment1fragment2");
    let violation = || Closed(Some(1002));
    let five = [first.clone(), middle.clone(), ping.clone(), middle.clone(), ping.clone(), last.clone()].concat();
    check(vec![
        ("5.1", [frame(PING, b"fragment1"), last.clone()].concat(), violation()),
        ("5.2", [frame(PONG, b"fragment1"), last.clone()].concat(), violation()),
        ("5.3", [first.clone(), last.clone()].concat(), both()),
        ("5.4", [first.clone(), last.clone()].concat(), both()),
        ("5.5", [first.clone(), last.clone()].concat(), both()),
        ("5.6", [first.clone(), ping.clone(), last.clone()].concat(), both()),
        ("5.6, the pong", [first.clone(), ping.clone(), last.clone()].concat(), Pongs(vec![b"ping".to_vec()])),
        ("5.7", [first.clone(), ping.clone(), last.clone()].concat(), both()),
        ("5.8", [first.clone(), ping.clone(), last.clone()].concat(), both()),
        ("5.9", [frame(FIN | CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.10", [frame(FIN | CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.11", [frame(FIN | CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.12", [frame(CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.13", [frame(CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.14", [frame(CONTINUATION, b"none"), text(HELLO)].concat(), violation()),
        ("5.15", [first.clone(), last.clone(), middle, text(b"x")].concat(), violation()),
        ("5.16", [frame(CONTINUATION, b"f1"), first.clone(), last.clone()].concat(), violation()),
        ("5.17", [frame(FIN | CONTINUATION, b"f1"), first.clone(), last].concat(), violation()),
        ("5.18", [first, text(b"fragment2")].concat(), violation()),
        ("5.19", five.clone(), input(b"fragment1fragment1fragment1fragment2")),
        ("5.20", five, Pongs(vec![b"ping".to_vec(), b"ping".to_vec()])),
    ])
    .await;
}
