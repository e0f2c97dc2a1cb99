//! A client that writes bytes as it likes, and the words that the cases are written in.

use std::time::Duration;

use podling_gateway::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use crate::{
    client::PATIENCE,
    world::{World, limits, until},
};

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
pub(super) const FIN: u8 = 0x80;

/// What has to come of a case.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Input arrives, the socket stays open.
    Input(Vec<u8>),
    /// Pongs come, the socket stays open.
    Pongs(Vec<Vec<u8>>),
    /// The server closes with this code; none when its close frame has none.
    Closed(Option<u16>),
}

/// A frame of a client: masked, with the shortest length.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(0x80 | u8::try_from(length).expect("small")),
        length @ 126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).expect("small").to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(super) fn text(payload: &[u8]) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}

pub(super) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// A plain client that writes bytes as it likes.
pub(super) struct Raw {
    pub(super) io: TcpStream,
}

impl Raw {
    pub(super) async fn attach(world: &World) -> Raw {
        let mut io = TcpStream::connect(world.address).await.expect("the gateway listens");
        io.set_nodelay(true).expect("a socket");
        let (uid, token, key) = (world.uid, world.token(), generate_key());
        let request = format!(
            "GET /ws/{uid} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: bearer, {token}\r\n\r\n"
        );
        io.write_all(request.as_bytes()).await.expect("open");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Raw { io }
    }

    /// The next frame of the server.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.io.read_u8().await.ok()?;
        let length = match self.io.read_u8().await.ok()? {
            126 => usize::from(self.io.read_u16().await.ok()?),
            127 => usize::try_from(self.io.read_u64().await.ok()?).expect("64 bits"),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.io.read_exact(&mut payload).await.ok()?;
        Some((first, payload))
    }

    async fn pongs(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut pongs = Vec::new();
        while pongs.len() < count {
            match self.next().await.expect("the socket stays open") {
                (first, payload) if first == FIN | PONG => pongs.push(payload),
                (first, _) => assert_eq!(first, FIN | PING, "neither pong nor ping"),
            }
        }
        pongs
    }

    async fn closed(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.next().await.expect("a close frame");
            if first == FIN | CLOSE {
                let code = payload.first_chunk().copied().map(u16::from_be_bytes);
                assert!(std::str::from_utf8(payload.get(2..).unwrap_or_default()).is_ok(), "the reason is text");
                return code;
            }
        }
    }
}

/// Runs the cases, each on a socket of its own: whole, and then byte by byte where that is short.
pub(super) async fn check(cases: Vec<(&str, Vec<u8>, Outcome)>) {
    let world = World::with(Limits { close_timeout: Duration::from_millis(50), ..limits() }).await;
    for (number, sent, expected) in cases {
        let chops: &[usize] = if sent.len() < 300 { &[usize::MAX, 1] } else { &[usize::MAX] };
        for chop in chops {
            let found = timeout(PATIENCE, run(&world, &sent, *chop, &expected)).await;
            let found = found.unwrap_or_else(|_| panic!("case {number} in pieces of {chop}: nothing came"));
            assert!(found == expected, "case {number} in pieces of {chop}: {found:?}");
        }
    }
}

async fn run(world: &World, sent: &[u8], chop: usize, expected: &Outcome) -> Outcome {
    world.runner.input.send_replace(Vec::new());
    let mut raw = Raw::attach(world).await;
    for piece in sent.chunks(chop.min(sent.len())) {
        if raw.io.write_all(piece).await.is_err() {
            break; // The server has closed already.
        }
    }
    match expected {
        Outcome::Input(bytes) => {
            until(world.runner.input.subscribe(), |input| input.len() >= bytes.len()).await;
            // The socket is still good for more.
            raw.io.write_all(&frame(FIN | PING, b"open?")).await.expect("open");
            while raw.pongs(1).await != [b"open?"] {}
            let input = world.runner.input.borrow().clone();
            Outcome::Input(input)
        }
        Outcome::Pongs(pongs) => Outcome::Pongs(raw.pongs(pongs.len()).await),
        Outcome::Closed(_) => Outcome::Closed(raw.closed().await),
    }
}

pub(super) const HELLO: &[u8] = "Hello-µ@ßöäüàá-UTF-8!!".as_bytes();

pub(super) fn input(bytes: &[u8]) -> Outcome {
    Outcome::Input(bytes.to_vec())
}
