//! A session's terminal on this one: every byte of it, through lost connections, and every key back.
//!
//! One loop owns connection, input and output. What comes is shown by a thread and acked once it is; that bounds what
//! waits here, as the server sends no more than its credit. A connection that is lost is sought again with the resume
//! token, from the first byte that did not come; where that token is refused, with a fresh session token.

mod input;
mod local;
mod seek;
mod shown;
mod socket;
mod turn;
mod typing;

use std::{collections::VecDeque, io, time::Duration};

use podling_session::frame::{ClientFrame, ServerFrame};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use self::{
    input::Input,
    local::Event,
    seek::{Found, Seeker},
    shown::{Piece, Writer, Written},
    socket::{Next, Socket},
    turn::Turn,
};
pub(crate) use self::{
    local::is_terminal,
    seek::Begin,
    shown::{Style, output},
};
use super::{
    api::Api,
    detach::DetachKeys,
    error::{ClientError, Problem},
    terminal::{self, RawMode},
};

/// The server pings every 20 s: one that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// How long a terminal may take to show the rest. One that is stopped is left as it is.
const REST: Duration = Duration::from_secs(5);

/// What to attach to, and how.
pub(crate) struct Plan {
    pub(crate) api: Api,
    pub(crate) uid: String,
    /// A session token that was not spent yet.
    pub(crate) token: String,
    pub(crate) begin: Begin,
    pub(crate) style: Style,
    pub(crate) keys: DetachKeys,
    pub(crate) reconnect: Duration,
}

/// How it came to an end here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Left {
    /// The session ended: `{"reason","exit_code","detail"}`.
    Ended(Value),
    /// The keys were typed, or Ctrl-C twice; the session goes on.
    Detached,
    /// By this signal; the session goes on.
    Killed(i32),
    /// Nobody reads our output any more; the session goes on.
    Unread,
}

/// Shows the session until it ends, or until this side leaves it.
///
/// # Errors
/// When it cannot be attached to, or its connection is lost for too long.
pub(crate) async fn run(plan: Plan) -> Result<Left, ClientError> {
    let here = |error: io::Error| ClientError::here(format!("this terminal cannot be used: {error}"), "Try --detach.");
    let interactive = plan.style == Style::Terminal && is_terminal();
    let raw = if interactive { Some(RawMode::enter().map_err(here)?) } else { None };
    let keys = if interactive { plan.keys } else { DetachKeys::none() };
    let attachment = Attachment {
        input: Input::new(plan.style != Style::Json, keys).map_err(here)?,
        writer: Writer::start(plan.style).map_err(here)?,
        waiting: VecDeque::new(),
        interactive,
        seeker: Seeker::new(plan.api, plan.uid, &plan.token, plan.begin, plan.reconnect)?,
        turn: Turn::default(),
        problem: None,
        exit: None,
    };
    let left = attachment.attend().await;
    drop(raw); // Before anything is said about it.
    left
}

struct Attachment {
    input: Input,
    writer: Writer,
    /// What came and is not with the writer yet: no more than the credit.
    waiting: VecDeque<Piece>,
    interactive: bool,
    seeker: Seeker,
    turn: Turn,
    /// What the server said before it closed.
    problem: Option<Problem>,
    exit: Option<Value>,
}

/// Why a connection is over.
enum Over {
    Left(Left),
    Lost { code: u16, reason: String },
}

impl Attachment {
    async fn attend(mut self) -> Result<Left, ClientError> {
        let outcome = self.attach().await;
        let Attachment { writer, waiting, .. } = self;
        if !writer.written.borrow().failed && !matches!(outcome, Ok(Left::Killed(_))) {
            for piece in waiting {
                if writer.pieces.send(piece).await.is_err() {
                    break;
                }
            }
        }
        let _ = timeout(REST, writer.finish()).await; // A terminal that is stopped shows no more.
        outcome
    }

    async fn attach(&mut self) -> Result<Left, ClientError> {
        loop {
            let found = {
                let mut seeking = std::pin::pin!(self.seeker.seek());
                loop {
                    tokio::select! {
                        biased;
                        event = self.input.next() => if let Some(left) = self.input.heard(&event) { return Ok(left) },
                        found = &mut seeking => break found?,
                    }
                }
            };
            let socket = match found {
                Found::Socket(socket) => *socket,
                Found::Silence(told) => {
                    self.show(Piece::Note(told.to_owned()));
                    self.hand_over();
                    continue;
                }
            };
            match self.connected(socket).await {
                Over::Left(left) => return Ok(left),
                Over::Lost { code, reason } => self.seeker.lost(code, &reason, self.problem.take()).await?,
            }
        }
    }

    async fn connected(&mut self, mut socket: Socket) -> Over {
        self.input.typing.opened();
        let (mut heard, mut acked) = (Instant::now(), self.writer.written.borrow().offset);
        loop {
            if !self.send_input(&mut socket).await {
                return lost("the connection takes nothing");
            }
            tokio::select! {
                biased;
                event = self.input.next() => {
                    if event == Event::Resized && !self.send_size(&mut socket).await {
                        return lost("the connection takes nothing");
                    }
                    if let Some(left) = self.input.heard(&event) {
                        socket.close().await;
                        return Over::Left(left);
                    }
                }
                changed = self.writer.written.changed() => {
                    let Written { offset, failed } = *self.writer.written.borrow_and_update();
                    if failed || changed.is_err() {
                        return Over::Left(Left::Unread);
                    }
                    if offset > acked && !socket.send(ClientFrame::Ack { offset }).await {
                        return lost("the connection takes nothing");
                    }
                    acked = offset;
                }
                permit = self.writer.pieces.clone().reserve_owned(), if !self.waiting.is_empty() => {
                    if let (Ok(permit), Some(piece)) = (permit, self.waiting.pop_front()) {
                        permit.send(piece);
                    }
                }
                next = socket.next() => {
                    heard = Instant::now();
                    match next {
                        Next::Frame(frame) => {
                            if !self.take(&mut socket, frame).await {
                                return lost("the connection takes nothing");
                            }
                        }
                        Next::Other => {}
                        Next::Closed { code, reason } => return self.closed(code, reason),
                    }
                }
                () = sleep_until(heard + SILENCE) => return lost("the server is silent"),
            }
        }
    }

    fn closed(&mut self, code: u16, reason: String) -> Over {
        match self.exit.take() {
            Some(exit) if code == 1000 => Over::Left(Left::Ended(exit)),
            None if code == 1000 => Over::Left(Left::Ended(json!({ "reason": reason, "exit_code": null }))),
            _ => Over::Lost { code, reason },
        }
    }

    /// Whether what had to be answered went out.
    async fn take(&mut self, socket: &mut Socket, frame: ServerFrame) -> bool {
        match frame {
            ServerFrame::Resume { generation, token } => {
                self.seeker.found(token);
                return socket.send(ClientFrame::ResumeAck { generation }).await
                    && self.send_size(socket).await
                    && (!self.interactive || socket.send(ClientFrame::Focus).await);
            }
            ServerFrame::Output { offset, bytes, .. } => {
                let end = offset + bytes.len() as u64;
                self.seeker.came(end);
                self.show(Piece::Output { bytes, end });
            }
            ServerFrame::Snapshot { offset, bytes, .. } => {
                self.seeker.came(offset);
                self.show(Piece::Screen { bytes, end: offset });
            }
            ServerFrame::Stage { json } => {
                let mut stage: Value = serde_json::from_str(&json).unwrap_or_default();
                stage["type"] = json!("stage");
                self.show(Piece::Event(stage));
            }
            ServerFrame::Lease { json } => {
                let mut roll: Value = serde_json::from_str(&json).unwrap_or_default();
                if let Some(text) = self.turn.told(&roll) {
                    self.show(Piece::Note(text));
                }
                roll["type"] = json!("people");
                self.show(Piece::Event(roll));
            }
            ServerFrame::Mark { text } => self.show(Piece::Note(text)),
            ServerFrame::InputTaken { total } => self.input.typing.taken(total),
            ServerFrame::Exit { json } => {
                let exit: Value = serde_json::from_str(&json).unwrap_or_default();
                let mut event = exit.clone();
                event["type"] = json!("exit");
                self.show(Piece::Event(event));
                self.exit = Some(exit);
            }
            ServerFrame::Error { json } => {
                let body: Value = serde_json::from_str(&json).unwrap_or_default();
                let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                let status = status.and_then(|status| http::StatusCode::from_u16(status).ok()).unwrap_or_default();
                self.problem = Some(Problem::read(status, &body));
            }
            _ => {}
        }
        true
    }

    fn show(&mut self, piece: Piece) {
        self.waiting.push_back(piece);
    }

    /// What the writer takes at once.
    fn hand_over(&mut self) {
        while let Some(piece) = self.waiting.pop_front() {
            if let Err(full) = self.writer.pieces.try_send(piece) {
                self.waiting.push_front(full.into_inner());
                return;
            }
        }
    }

    async fn send_input(&mut self, socket: &mut Socket) -> bool {
        while let Some(bytes) = self.input.typing.next() {
            if !socket.send(ClientFrame::Input(bytes)).await {
                return false;
            }
        }
        true
    }

    async fn send_size(&self, socket: &mut Socket) -> bool {
        match terminal::size().filter(|_| self.interactive) {
            Some(size) => socket.send(ClientFrame::Resize(size)).await,
            None => true,
        }
    }
}

fn lost(reason: &str) -> Over {
    Over::Lost { code: 1006, reason: reason.to_owned() }
}
