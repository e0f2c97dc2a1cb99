//! A viewer of `podling.v1` that is never the bottleneck: it counts what it gets, checks every offset, and acks.

use std::ops::Range;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame, kind},
    id::AttachNonce,
};

use crate::{
    pace::Pace,
    socket::{Message, Socket},
};

/// A quarter of the widest window: what is taken is acked no later.
const ACK_BYTES: u64 = 64 << 10;
/// A quarter of the narrowest window, acked when nothing more has come yet.
const ACK_IDLE_BYTES: u64 = 4 << 10;

/// What a viewer asks for: `?mode=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Live,
    Lossless,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Lossless => "lossless",
        }
    }
}

/// What one message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Output or a snapshot.
    Drawn,
    Other,
    /// The close code.
    Closed(u16),
}

#[derive(Debug)]
pub(crate) struct Viewer {
    socket: Socket,
    /// The offset after the last byte that was received.
    pub(crate) offset: u64,
    acked: u64,
    resume: Option<String>,
    /// How the session ended, as JSON.
    exit: Option<String>,
    /// What the server said it left out.
    pub(crate) skipped: Vec<Range<u64>>,
    /// Nothing was drawn yet, so that a snapshot may begin anywhere.
    fresh: bool,
}

/// The fields of an output, a snapshot or a skipped frame.
pub(crate) enum Drawing<'a> {
    Output { offset: u64, bytes: &'a [u8] },
    Snapshot { offset: u64, bytes: &'a [u8] },
    Skipped(Range<u64>),
}

impl Viewer {
    /// Attaches with a session token.
    pub(crate) fn attach(address: &str, uid: &str, token: &str, mode: Mode) -> anyhow::Result<Viewer> {
        Viewer::ask(address, uid, token, &format!("mode={}", mode.name()))
    }

    /// Attaches with a session token, and asks for so many lines above the screen.
    pub(crate) fn join(address: &str, uid: &str, token: &str, history: u32) -> anyhow::Result<Viewer> {
        Viewer::ask(address, uid, token, &format!("mode=live&history={history}"))
    }

    fn ask(address: &str, uid: &str, token: &str, query: &str) -> anyhow::Result<Viewer> {
        let offer = format!("{SUBPROTOCOL}, bearer, {token}, nonce.{}", AttachNonce::random());
        Ok(Viewer::new(Socket::open(address, &format!("/ws/{uid}?{query}"), &offer)?, 0))
    }

    /// Comes back with a resume token, to what follows `from`.
    pub(crate) fn resume(address: &str, uid: &str, token: &str, mode: Mode, from: u64) -> anyhow::Result<Viewer> {
        let path = format!("/ws/{uid}?mode={}&from={from}", mode.name());
        let socket = Socket::open(address, &path, &format!("{SUBPROTOCOL}, resume, {token}"))?;
        Ok(Viewer { fresh: false, ..Viewer::new(socket, from) })
    }

    /// From now on it reads, and therefore acks, only so much a second.
    pub(crate) fn slow_down(&mut self, bytes_per_second: f64) {
        self.socket.pace = Some(Pace::new(bytes_per_second));
    }

    /// The resume token that came last.
    pub(crate) fn resume_token(&self) -> anyhow::Result<String> {
        self.resume.clone().context("no resume frame has come")
    }

    fn new(socket: Socket, offset: u64) -> Viewer {
        Viewer { socket, offset, acked: offset, resume: None, exit: None, skipped: Vec::new(), fresh: true }
    }

    pub(crate) fn type_in(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.socket.send_binary(&ClientFrame::Input(Bytes::copy_from_slice(bytes)).encode())
    }

    /// Takes one message; `draw` gets what is to be drawn. Blocks.
    pub(crate) fn step(&mut self, draw: impl FnMut(&Drawing<'_>)) -> anyhow::Result<Step> {
        let step = self.take(draw)?;
        // Whatever it was: it may have stood behind output that was not worth an ack as long as more was there.
        if !matches!(step, Step::Closed(_)) {
            self.ack_when_due()?;
        }
        Ok(step)
    }

    fn take(&mut self, mut draw: impl FnMut(&Drawing<'_>)) -> anyhow::Result<Step> {
        let frame = match self.socket.next()? {
            Message::Data(frame) => frame,
            Message::Control => return Ok(Step::Other),
            Message::Close(code) => return Ok(Step::Closed(code)),
        };
        let Some(drawing) = Drawing::decode(frame) else {
            let frame = ServerFrame::decode(Bytes::copy_from_slice(frame))?;
            return self.aside(frame);
        };
        self.offset = drawing.follows(self.offset, self.fresh)?;
        if let Drawing::Skipped(range) = &drawing {
            self.skipped.push(range.clone());
        }
        draw(&drawing);
        self.fresh = false;
        Ok(Step::Drawn)
    }

    fn aside(&mut self, frame: Option<ServerFrame>) -> anyhow::Result<Step> {
        match frame {
            Some(ServerFrame::Resume { generation, token }) => {
                self.resume = Some(token);
                self.socket.send_binary(&ClientFrame::ResumeAck { generation }.encode())?;
            }
            Some(ServerFrame::Exit { json }) => self.exit = Some(json),
            Some(ServerFrame::Error { json }) => bail!("refused: {json}"),
            _ => {}
        }
        Ok(Step::Other)
    }

    fn ack_when_due(&mut self) -> anyhow::Result<()> {
        let due = if self.socket.is_drained() { ACK_IDLE_BYTES } else { ACK_BYTES };
        if self.offset - self.acked >= due {
            self.acked = self.offset;
            self.socket.send_binary(&ClientFrame::Ack { offset: self.offset }.encode())?;
        }
        Ok(())
    }

    /// Reads until `text` was drawn, within one message or over several.
    pub(crate) fn sees(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let mut search = Search::new(text);
        while !search.found {
            if let Step::Closed(code) = self.step(|drawing| search.look(drawing.bytes()))? {
                let (text, exit) = (String::from_utf8_lossy(text), self.exit.as_deref().unwrap_or_default());
                bail!("closed with {code} before {text:?} was seen {exit}");
            }
        }
        Ok(())
    }

    /// Reads until it has what it needs to come back after a cut.
    pub(crate) fn may_come_back(&mut self) -> anyhow::Result<()> {
        while self.resume.is_none() {
            if let Step::Closed(code) = self.step(|_| ())? {
                bail!("closed with {code} before a resume token came");
            }
        }
        Ok(())
    }

    /// Reads until the server closes; the code.
    pub(crate) fn read_to_end(&mut self, mut draw: impl FnMut(&Drawing<'_>)) -> anyhow::Result<u16> {
        loop {
            if let Step::Closed(code) = self.step(&mut draw)? {
                return Ok(code);
            }
        }
    }
}

impl Drawing<'_> {
    /// The offset after it, when it follows this one. What comes first may begin anywhere.
    fn follows(&self, offset: u64, first: bool) -> anyhow::Result<u64> {
        let (from, end) = match self {
            Drawing::Output { offset, bytes } => (*offset, offset + bytes.len() as u64),
            Drawing::Snapshot { offset, .. } => (*offset, *offset),
            Drawing::Skipped(range) => (range.start, range.end),
        };
        ensure!(first || from == offset, "what was sent goes on at {from}, not at {offset}");
        ensure!(from <= end, "{end} is before {from}");
        Ok(end)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Drawing::Output { bytes, .. } | Drawing::Snapshot { bytes, .. } => bytes,
            Drawing::Skipped(_) => &[],
        }
    }

    fn decode(frame: &[u8]) -> Option<Drawing<'_>> {
        let number = |at: usize| frame.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        match *frame.first()? {
            kind::OUTPUT => Some(Drawing::Output { offset: number(2)?, bytes: &frame[10..] }),
            kind::SNAPSHOT => Some(Drawing::Snapshot { offset: number(2)?, bytes: frame.get(14..)? }),
            kind::SKIPPED => Some(Drawing::Skipped(number(1)?..number(9)?)),
            _ => None,
        }
    }
}

/// Looks for a text in a stream that comes in pieces.
pub(crate) struct Search {
    text: Vec<u8>,
    /// The end of what was looked at, shorter than the text.
    rest: Vec<u8>,
    pub(crate) found: bool,
}

impl Search {
    pub(crate) fn new(text: &[u8]) -> Search {
        Search { text: text.to_vec(), rest: Vec::new(), found: false }
    }

    pub(crate) fn look(&mut self, bytes: &[u8]) {
        let holds = |bytes: &[u8]| bytes.windows(self.text.len()).any(|window| window == self.text);
        // Of a long piece only the seam is copied.
        let keep = self.text.len() - 1;
        let mut seam = std::mem::take(&mut self.rest);
        seam.extend_from_slice(&bytes[..bytes.len().min(keep)]);
        self.found |= holds(&seam) || holds(bytes);
        self.rest = if bytes.len() >= keep { bytes[bytes.len() - keep..].to_vec() } else { seam };
        let surplus = self.rest.len().saturating_sub(keep);
        self.rest.drain(..surplus);
    }
}

impl Viewer {
    /// Reads output until this offset; what was skipped on the way is said by [`Viewer::skipped`].
    pub(crate) fn reaches(&mut self, offset: u64) -> anyhow::Result<()> {
        while self.offset < offset {
            let at = self.offset;
            let step = self.step(|_| {}).with_context(|| format!("the bulk is incomplete at {at} of {offset}"))?;
            if let Step::Closed(code) = step {
                bail!("closed with {code} at {} of {offset}", self.offset);
            }
        }
        ensure!(self.offset == offset, "{} bytes came instead of {offset}", self.offset);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_cut() {
        for cut in 0..=12 {
            let mut search = Search::new(b"ready");
            let (first, second) = b"..rearready.".split_at(cut);
            search.look(first);
            search.look(second);
            assert!(search.found, "cut at {cut}");
        }
        let mut search = Search::new(b"ready");
        b"readread y".iter().for_each(|byte| search.look(&[*byte]));
        assert!(!search.found);
    }

    #[test]
    fn the_frames_of_the_screen_are_read_in_place() {
        let output = ServerFrame::Output { offset: 7, replay: true, bytes: Bytes::from_static(b"hi") }.encode();
        assert!(matches!(Drawing::decode(&output), Some(Drawing::Output { offset: 7, bytes: b"hi" })));
        let snapshot = [&[kind::SNAPSHOT, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 24, 0, 80][..], b"screen"].concat();
        assert!(matches!(Drawing::decode(&snapshot), Some(Drawing::Snapshot { offset: 9, bytes: b"screen" })));
        let skipped = [&[kind::SKIPPED][..], &3_u64.to_be_bytes(), &9_u64.to_be_bytes()].concat();
        assert!(matches!(Drawing::decode(&skipped), Some(Drawing::Skipped(Range { start: 3, end: 9 }))));
        assert!(Drawing::decode(&skipped[..9]).is_none());
    }

    #[test]
    fn what_does_not_follow_is_an_error() {
        let output = Drawing::Output { offset: 7, bytes: b"hi" };
        assert_eq!(output.follows(7, false).expect("it follows"), 9);
        assert_eq!(output.follows(0, true).expect("it is the first"), 9);
        assert!(output.follows(6, false).is_err());
        assert!(Drawing::Skipped(Range { start: 7, end: 3 }).follows(7, false).is_err());
    }

    #[test]
    fn output_is_acked_when_nothing_is_left_whatever_came_last() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).expect("a request");
            let mut wire = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
            let output = ServerFrame::Output { offset: 0, replay: false, bytes: vec![b'x'; 5_000].into() };
            for frame in [output.encode(), ServerFrame::Viewers(2).encode()] {
                wire.extend([0x82, 126]);
                wire.extend(u16::try_from(frame.len()).expect("short").to_be_bytes());
                wire.extend(frame);
            }
            stream.write_all(&wire).expect("room");
            let mut ack = [0; 15];
            stream.read_exact(&mut ack).expect("an ack");
        });
        let mut viewer = Viewer::attach(&address, "none", "none", Mode::Live).expect("open");
        while viewer.acked < 5_000 {
            viewer.step(|_| {}).expect("a message");
        }
        server.join().expect("the server was content");
    }
}
