//! A `podling.v1` viewer that draws: it follows in `live` mode and may take only so much a second.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use bytes::Bytes;
use futures_util::SinkExt;
use podling_screen::Screen;
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
    size::WindowSize,
};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    podling::{Podling, Session},
    viewer::{Closed, Socket, Upgrade, binary, upgrade},
};

/// What it got in all, over all its connections.
pub struct Seen {
    /// Output by its offset. Pieces neither touch twice nor overlap.
    pub pieces: BTreeMap<u64, Bytes>,
    pub skipped: Vec<Range<u64>>,
    pub screen: Screen,
}

pub struct Live {
    socket: Box<Socket>,
    bytes_per_second: Option<f64>,
    /// The offset after the last byte that it holds; none before its first.
    pub offset: Option<u64>,
    /// The screen that is to come, after a `skipped`.
    due: Option<u64>,
    pub resume: Option<(u32, String)>,
    /// Output that it asked for, and whether that is all of it.
    answer: Vec<u8>,
    answered: bool,
    pub seen: Seen,
}

impl Live {
    /// Attaches with the token that a session came with.
    pub async fn of(podling: &Podling, session: &Session) -> Live {
        Live::attach(podling, &session.uid, &session.token).await
    }

    pub async fn attach(podling: &Podling, uid: &str, token: &str) -> Live {
        let nonce = format!("nonce.{}", AttachNonce::random());
        let path = format!("/ws/{uid}?mode=live");
        let screen = Screen::new(WindowSize::DEFAULT);
        let seen = Seen { pieces: BTreeMap::new(), skipped: Vec::new(), screen };
        let opened = upgrade(&podling.url, &path, &[SUBPROTOCOL, "bearer", token, &nonce]).await;
        Live {
            socket: socket(opened),
            bytes_per_second: None,
            offset: None,
            due: None,
            resume: None,
            answer: Vec::new(),
            answered: false,
            seen,
        }
    }

    /// Takes no more than this from now on.
    #[must_use]
    pub fn paced(mut self, bytes_per_second: f64) -> Live {
        self.bytes_per_second = Some(bytes_per_second);
        self
    }

    /// Loses its connection without a word and comes back with what it holds.
    #[must_use]
    pub async fn cut(mut self, podling: &Podling, uid: &str) -> Live {
        let (_, token) = self.resume.take().expect("a resume token came first");
        let from = self.offset.expect("output came first");
        let path = format!("/ws/{uid}?mode=live&from={from}");
        self.socket = socket(upgrade(&podling.url, &path, &[SUBPROTOCOL, "resume", &token]).await);
        self.due = None;
        self
    }

    pub async fn type_in(&mut self, text: &str) {
        self.send(ClientFrame::Input(Bytes::from(text.to_owned()))).await;
    }

    /// A server that has closed already takes nothing more: its close is still to be read.
    async fn send(&mut self, frame: ClientFrame) {
        let _ = self.socket.send(Message::Binary(frame.encode())).await;
    }

    /// Reads until the screen shows `text`.
    pub async fn shows(&mut self, text: &str) {
        while !self.seen.screen.text().contains(text) {
            let closed = self.step().await;
            assert_eq!(closed, None, "before {text:?} on the screen:\n{}", self.seen.screen.text());
        }
    }

    /// Asks for output that was skipped; the first MiB of it at most.
    pub async fn fetched(&mut self, range: Range<u64>) -> Vec<u8> {
        self.send(ClientFrame::Fetch { from: range.start, to: range.end }).await;
        while !self.answered {
            assert_eq!(self.step().await, None, "before the answer's end");
        }
        self.answered = false;
        std::mem::take(&mut self.answer)
    }

    /// Takes one message. `Some` when it was the close.
    pub async fn step(&mut self) -> Option<Closed> {
        match binary(&mut self.socket).await {
            Ok(bytes) => self.take(bytes).await,
            Err(closed) => return Some(closed),
        }
        None
    }

    async fn take(&mut self, bytes: Bytes) {
        if let Some(rate) = self.bytes_per_second {
            sleep(Duration::from_secs_f64(bytes.len() as f64 / rate)).await; // Drawing takes its time.
        }
        match ServerFrame::decode(bytes).expect("the server sends whole frames") {
            Some(ServerFrame::Output { offset, bytes, .. }) => self.output(offset, bytes).await,
            Some(ServerFrame::Skipped { from, to }) => self.skip(from..to),
            Some(ServerFrame::Snapshot { offset, size, bytes, .. }) => self.redraw(offset, size, &bytes).await,
            Some(ServerFrame::Resume { generation, token }) => {
                self.resume = Some((generation, token));
                self.send(ClientFrame::ResumeAck { generation }).await;
            }
            Some(ServerFrame::Fetched { bytes, .. }) => {
                self.answered = bytes.is_empty();
                self.answer.extend_from_slice(&bytes);
            }
            Some(ServerFrame::Resized(size)) => self.seen.screen.resize(size),
            _ => {}
        }
    }

    async fn output(&mut self, offset: u64, bytes: Bytes) {
        assert_eq!(offset, self.offset.unwrap_or(offset), "no byte is lost and none is doubled");
        assert_eq!(self.due, None, "a screen follows what was skipped");
        self.seen.screen.feed(&bytes);
        let end = offset + bytes.len() as u64;
        self.offset = Some(end);
        self.seen.pieces.insert(offset, bytes);
        self.send(ClientFrame::Ack { offset: end }).await;
    }

    fn skip(&mut self, range: Range<u64>) {
        assert_eq!(Some(range.start), self.offset, "what is skipped begins where the output ended");
        assert!(range.start < range.end);
        self.due = Some(range.end);
        self.seen.skipped.push(range);
    }

    /// What was skipped is only gone for good once the screen behind it is here.
    async fn redraw(&mut self, offset: u64, size: WindowSize, bytes: &[u8]) {
        if let Some(due) = self.due.take() {
            assert_eq!(offset, due, "the screen is the one behind what was skipped");
        } else if let Some(held) = self.offset {
            assert_eq!(offset, held, "a screen by itself takes nothing away");
        }
        self.seen.screen.resize(size);
        self.seen.screen.feed(bytes);
        self.offset = Some(offset);
        self.send(ClientFrame::Ack { offset }).await;
    }
}

fn socket(opened: Upgrade) -> Box<Socket> {
    let Upgrade::Open(socket) = opened else { panic!("podling.v1 always upgrades: {opened:?}") };
    socket
}
