//! Sections 7 and 9, closes and sizes, and what the list does not have.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::case::{
    BINARY, CLOSE, CONTINUATION, FIN, Outcome::Closed, PING, Raw, TEXT, check, close, frame, input, text,
};
use crate::world::{World, until};

#[tokio::test]
async fn section_7_closes() {
    let longest = vec![b'*'; 123];
    let mut cases = vec![
        ("7.1.1", [text(b"x"), close(1000, b"")].concat(), Closed(Some(1000))),
        ("7.1.2", [close(1000, b""), close(1000, b"")].concat(), Closed(Some(1000))),
        ("7.1.3", [close(1000, b""), frame(FIN | PING, b"")].concat(), Closed(Some(1000))),
        ("7.1.4", [close(1000, b""), text(b"late")].concat(), Closed(Some(1000))),
        (
            "7.1.5",
            [frame(TEXT, b"f1"), close(1000, b""), frame(FIN | CONTINUATION, b"f2")].concat(),
            Closed(Some(1000)),
        ),
        ("7.1.6", [text(&vec![b'x'; 200_000]), text(b"x"), close(1000, b"")].concat(), Closed(Some(1000))),
        ("7.3.1", frame(FIN | CLOSE, b""), Closed(None)),
        ("7.3.2", frame(FIN | CLOSE, b"\x03"), Closed(Some(1002))),
        ("7.3.3", close(1000, b""), Closed(Some(1000))),
        ("7.3.4", close(1000, b"Hello World!"), Closed(Some(1000))),
        ("7.3.5", close(1000, &longest), Closed(Some(1000))),
        ("7.3.6", close(1000, &[&longest[..], b"*"].concat()), Closed(Some(1002))),
        ("7.5.1", close(1000, b"\xce\xba\xed\xa0\x80"), Closed(Some(1007))),
    ];
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        cases.push(("7.7", close(code, b""), Closed(Some(code))));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("7.9 and 7.13", close(code, b""), Closed(Some(1002))));
    }
    check(cases).await;
}

#[tokio::test]
async fn section_9_sizes_up_to_the_limit_and_one_more() {
    let most = vec![b'*'; 200_000];
    let fragments: Vec<_> = std::iter::once(frame(BINARY, b""))
        .chain(most.chunks(1_000).map(|piece| frame(CONTINUATION, piece)))
        .chain([frame(FIN | CONTINUATION, b"")])
        .flatten()
        .collect();
    let large = vec![b'*'; (1 << 20) + 1];
    let over: Vec<_> = large.chunks(1 << 19).map(|piece| frame(CONTINUATION, piece)).collect();
    check(vec![
        ("9.1", text(&most), input(&most)),
        ("9.2", frame(FIN | BINARY, &most), input(&most)),
        ("9.4", fragments, input(&most)),
        ("over the limit", frame(FIN | BINARY, &large), Closed(Some(1009))),
        ("over the limit in fragments", [frame(BINARY, b""), over.concat()].concat(), Closed(Some(1009))),
    ])
    .await;
}

#[tokio::test]
async fn a_frame_without_a_mask_and_an_absurd_length_are_refused() {
    check(vec![
        ("no mask", vec![FIN | TEXT, 1, b'x'], Closed(Some(1002))),
        ("an absurd length", [&[FIN | BINARY, 0xff][..], &[0xff; 8], &[0; 4]].concat(), Closed(Some(1009))),
    ])
    .await;
}

#[tokio::test]
async fn a_flood_of_pings_keeps_nobody_waiting() {
    let world = World::start().await;
    let (mut flooder, mut typist) = (Raw::attach(&world).await, Raw::attach(&world).await);
    let pings: Vec<u8> = std::iter::repeat_n(frame(FIN | PING, &[7; 125]), 20_000).flatten().collect();
    let (mut from_server, mut to_server) = flooder.io.split();
    let flood = async {
        to_server.write_all(&pings).await.expect("open");
        to_server.write_all(&text(b"after")).await.expect("open");
    };
    let drain = async {
        let mut scrap = [0; 65_536];
        while from_server.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    };
    let other = async {
        typist.io.write_all(&text(b"typed")).await.expect("open");
        until(world.runner.input.subscribe(), |input| input.windows(5).any(|part| part == b"typed")).await;
        until(world.runner.input.subscribe(), |input| input.windows(5).any(|part| part == b"after")).await;
    };
    tokio::select! {
        () = drain => panic!("the flooder was closed"),
        _ = async { tokio::join!(flood, other) } => {}
    }
}
