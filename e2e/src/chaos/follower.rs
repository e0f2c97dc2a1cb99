//! A `podling.v1` viewer that comes back by itself, as the page does, until its session ends.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::Message;

use super::lines::{END, Lines};
use crate::viewer::{Closed, Socket, Upgrade, closed, try_upgrade};

/// The command speaks twenty times a second: this long a silence is a link that is dead and does not say so.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a page waits before it comes back at first, at random up to it; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How often the end is asked for until it is seen: what is typed while a link breaks may be lost.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What a viewer has to tell in the end.
#[derive(Debug, Default)]
pub struct Story {
    pub lines: Lines,
    pub exit: Option<Value>,
    /// How long each return took, from the loss to the first frame of the next stream.
    pub returns: Vec<Duration>,
    /// Answers that said to come again: 503s and their like.
    pub put_off: usize,
    /// A refusal that is final although the session goes on: the viewer is locked out.
    pub locked_out: Option<String>,
}

impl Story {
    /// The reason that the exit frame gave.
    pub fn ended_because(&self) -> Option<&str> {
        self.exit.as_ref()?["reason"].as_str()
    }
}

pub struct Follower {
    url: String,
    uid: String,
    token: String,
    nonce: AttachNonce,
    resume: Option<String>,
    offset: u64,
    story: Story,
    lost_at: Option<Instant>,
    /// How many lines have come, for those who wait for more.
    progress: watch::Sender<u64>,
    ask_end: watch::Receiver<bool>,
}

/// How one stream ended.
enum Next {
    /// Come back, at once when it was handed over.
    Again {
        at_once: bool,
    },
    Done,
}

impl Follower {
    /// One that will attach with a session token. It ends the session once `ask_end` holds.
    pub fn new(url: &str, uid: &str, token: &str, ask_end: watch::Receiver<bool>) -> (Follower, watch::Receiver<u64>) {
        let (progress, lines) = watch::channel(0);
        let follower = Follower {
            url: url.to_owned(),
            uid: uid.to_owned(),
            token: token.to_owned(),
            nonce: AttachNonce::random(),
            resume: None,
            offset: 0,
            story: Story::default(),
            lost_at: None,
            progress,
            ask_end,
        };
        (follower, lines)
    }

    /// Follows to the end of the session, or to the end of patience.
    pub async fn run(mut self, patience: Duration) -> Story {
        // A story that is cut short is told all the same.
        let _ = timeout(patience, self.follow()).await;
        self.story
    }

    async fn follow(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let reached = self.offset;
            match self.stream().await {
                Next::Done => return,
                Next::Again { at_once: true } => wait = FIRST_WAIT,
                Next::Again { at_once: false } => {
                    if self.offset > reached {
                        wait = FIRST_WAIT;
                    }
                    sleep(wait.mul_f64(rand::random())).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    async fn stream(&mut self) -> Next {
        let mut socket = match timeout(SILENCE, self.open()).await {
            Ok(Ok(Upgrade::Open(socket))) => socket,
            Ok(Ok(Upgrade::Refused(..)) | Err(_)) | Err(_) => {
                self.story.put_off += 1;
                return Next::Again { at_once: false };
            }
        };
        let mut asking = tokio::time::interval(ASK_AGAIN);
        let mut heard_at = Instant::now();
        loop {
            // Before its first line the command's terminal still shows what is typed.
            let ending = *self.ask_end.borrow() && self.story.lines.count > 0;
            tokio::select! {
                message = timeout_at(heard_at + SILENCE, socket.next()) => match message {
                    Ok(Some(Ok(Message::Binary(bytes)))) => {
                        heard_at = Instant::now();
                        self.take(&mut socket, bytes).await;
                    }
                    Ok(Some(Ok(Message::Close(frame)))) => return self.judge(&closed(frame)),
                    Ok(Some(Ok(_))) => {}
                    Ok(None | Some(Err(_))) | Err(_) => return self.lost(false),
                },
                _ = asking.tick(), if ending => {
                    self.send(&mut socket, ClientFrame::Input(Bytes::from_static(END.as_bytes()))).await;
                }
                Ok(()) = self.ask_end.changed() => {}
            }
        }
    }

    async fn open(&self) -> Result<Upgrade, tokio_tungstenite::tungstenite::Error> {
        let path = format!("/ws/{}?mode=lossless&from={}", self.uid, self.offset);
        match &self.resume {
            Some(token) => try_upgrade(&self.url, &path, &[SUBPROTOCOL, "resume", token]).await,
            None => {
                let nonce = format!("nonce.{}", self.nonce);
                try_upgrade(&self.url, &path, &[SUBPROTOCOL, "bearer", &self.token, &nonce]).await
            }
        }
    }

    async fn take(&mut self, socket: &mut Socket, bytes: Bytes) {
        if let Some(lost_at) = self.lost_at.take() {
            self.story.returns.push(lost_at.elapsed());
        }
        match ServerFrame::decode(bytes).expect("the server sends whole frames") {
            Some(ServerFrame::Output { offset, bytes, .. }) => {
                if offset != self.offset {
                    self.story.lines.jumps.push(self.offset..offset);
                }
                self.offset = offset + bytes.len() as u64;
                self.story.lines.feed(&bytes);
                self.progress.send_replace(self.story.lines.count);
                self.send(socket, ClientFrame::Ack { offset: self.offset }).await;
            }
            Some(ServerFrame::Resume { generation, token }) => {
                self.resume = Some(token);
                self.send(socket, ClientFrame::ResumeAck { generation }).await;
            }
            Some(ServerFrame::Exit { json }) => self.story.exit = serde_json::from_str(&json).ok(),
            _ => {}
        }
    }

    /// A socket that takes nothing more still has its close to read.
    async fn send(&self, socket: &mut Socket, frame: ClientFrame) {
        let _ = timeout(SILENCE, socket.send(Message::Binary(frame.encode()))).await;
    }

    fn judge(&mut self, closed: &Closed) -> Next {
        match closed.code {
            1000 => Next::Done,
            1001 => self.lost(true),
            4401 | 4404 | 4409 | 4410 | 4411 => {
                self.story.locked_out = Some(format!("{} {}", closed.code, closed.reason));
                Next::Done
            }
            4503 | 4429 => {
                self.story.put_off += 1;
                self.lost(false)
            }
            _ => self.lost(false),
        }
    }

    /// The first loss counts: what follows until the next frame is one return.
    fn lost(&mut self, at_once: bool) -> Next {
        self.lost_at.get_or_insert_with(Instant::now);
        Next::Again { at_once }
    }
}
