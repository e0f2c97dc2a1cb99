//! A WebSocket client (RFC 6455) that costs as little as one can: one thread, one buffer, no copy of what is read.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::pace::{self, Pace};

/// Room for one read: more than a socket holds for a reader that keeps up.
const BUFFER_BYTES: usize = 1 << 20;
/// Nothing that is measured is silent for longer.
const SILENCE: Duration = Duration::from_secs(30);
/// RFC 6455 wants every message of a client masked, against caches between the two; there are none on loopback.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// Of a slow reader.
    pub(crate) pace: Option<Pace>,
    buffer: Vec<u8>,
    /// What was read and not yet taken: `buffer[taken..filled]`.
    taken: usize,
    filled: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// Binary or text.
    Data(&'a [u8]),
    /// 1005 when it names no code.
    Close(u16),
    /// Ping, answered already, or pong.
    Control,
}

/// The head of one frame.
struct Head {
    opcode: u8,
    /// Of the head itself.
    bytes: usize,
    payload: usize,
}

impl Socket {
    /// Connects and upgrades. `protocols` is what is offered, as in `Sec-WebSocket-Protocol`.
    pub(crate) fn open(address: &str, path: &str, protocols: &str) -> anyhow::Result<Socket> {
        let stream = TcpStream::connect(address).context("nobody listens")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        let mut socket = Socket { stream, pace: None, buffer: vec![0; BUFFER_BYTES], taken: 0, filled: 0 };
        let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocols}\r\n\r\n"
        );
        socket.stream.write_all(request.as_bytes())?;
        let head = socket.response_head()?;
        if !head.starts_with("HTTP/1.1 101 ") {
            bail!("the upgrade was refused: {}", head.lines().next().unwrap_or_default());
        }
        Ok(socket)
    }

    fn response_head(&mut self) -> anyhow::Result<String> {
        loop {
            let read = &self.buffer[..self.filled];
            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                self.taken = end + 4;
                return Ok(String::from_utf8_lossy(&read[..end]).into_owned());
            }
            self.fill()?;
        }
    }

    /// Whether all that was read has been taken: the next message needs a read.
    pub(crate) fn is_drained(&self) -> bool {
        self.head().is_none_or(|head| self.taken + head.bytes + head.payload > self.filled)
    }

    /// The next message. Blocks.
    pub(crate) fn next(&mut self) -> anyhow::Result<Message<'_>> {
        let head = loop {
            match self.head() {
                Some(head) if self.taken + head.bytes + head.payload <= self.filled => break head,
                Some(head) => self.fit(head.bytes + head.payload)?,
                None => self.fill()?,
            }
        };
        let start = self.taken + head.bytes;
        self.taken = start + head.payload;
        let payload = start..self.taken;
        match head.opcode {
            0x1 | 0x2 => Ok(Message::Data(&self.buffer[payload])),
            0x8 => {
                let code = self.buffer[payload].first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                Ok(Message::Close(code))
            }
            0x9 => {
                let words = self.buffer[payload].to_vec();
                self.send(0xa, &words)?;
                Ok(Message::Control)
            }
            0xa => Ok(Message::Control),
            opcode => bail!("a frame of type {opcode:#x}, or a fragment"),
        }
    }

    fn head(&self) -> Option<Head> {
        let read = &self.buffer[self.taken..self.filled];
        let [first, length, rest @ ..] = read else { return None };
        // A fragment has no final bit, and is told from an opcode by it.
        let opcode = first ^ 0x80;
        let (bytes, payload) = match length & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk()?))),
            127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
            short => (2, u64::from(short)),
        };
        Some(Head { opcode, bytes, payload: usize::try_from(payload).ok()? })
    }

    /// Reads once, with room for a message of so many bytes.
    fn fit(&mut self, bytes: usize) -> anyhow::Result<()> {
        if bytes > self.buffer.len() {
            self.buffer.resize(bytes, 0);
        }
        if self.taken + bytes > self.buffer.len() {
            self.compact();
        }
        self.fill()
    }

    fn compact(&mut self) {
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        } else if self.filled == self.buffer.len() {
            self.compact();
        }
        let room = self.buffer.len() - self.filled;
        let room = self.pace.as_ref().map_or(room, |_| room.min(pace::READ_BYTES));
        let room = &mut self.buffer[self.filled..self.filled + room];
        let count = self.stream.read(room).context("the connection was lost")?;
        ensure!(count > 0, "the connection was closed without a word");
        self.filled += count;
        if let Some(pace) = &mut self.pace {
            pace.took(count);
        }
        Ok(())
    }

    pub(crate) fn send_binary(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        self.send(0x2, payload)
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        let mut frame = Vec::with_capacity(14 + payload.len());
        frame.push(0x80 | opcode);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ ..126), _) => frame.push(0x80 | short),
            (_, Ok(long)) => {
                frame.push(0x80 | 126);
                frame.extend(long.to_be_bytes());
            }
            _ => bail!("a client has no message of {} bytes", payload.len()),
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).context("the connection was lost")
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A socket whose server sends these bytes, in pieces of `piece`, and hangs up.
    fn fed(bytes: Vec<u8>, piece: usize) -> (Socket, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).expect("a request");
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").expect("room");
            for piece in bytes.chunks(piece) {
                stream.write_all(piece).expect("room");
            }
        });
        (Socket::open(&address, "/ws", "x").expect("open"), server)
    }

    #[test]
    fn messages_of_every_length_come_whole_however_they_are_cut() {
        let mut wire = vec![0x82, 2, b'h', b'i', 0x82, 126, 1, 0];
        wire.extend([7; 256]);
        wire.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        wire.extend(vec![9; 70_000]);
        wire.extend([0x88, 2, 0x03, 0xe8]);
        for piece in [1 << 20, 4096, 7] {
            let (mut socket, server) = fed(wire.clone(), piece);
            assert_eq!(socket.next().expect("a message"), Message::Data(b"hi"));
            assert_eq!(socket.next().expect("a message"), Message::Data(&[7; 256]));
            assert_eq!(socket.next().expect("a message"), Message::Data(&vec![9; 70_000]));
            assert_eq!(socket.next().expect("a message"), Message::Close(1000));
            assert!(socket.next().is_err());
            server.join().expect("the server was content");
        }
    }

    #[test]
    fn a_fragment_is_refused() {
        let (mut socket, server) = fed(vec![0x02, 1, b'x'], 64);
        assert!(socket.next().is_err());
        server.join().expect("the server was content");
    }
}
