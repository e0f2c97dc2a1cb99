//! One open WebSocket: the session's events to the viewer, the viewer's messages to the session. Each direction pauses
//! only itself, and terminal data is never parsed.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::{
    SinkExt, Stream, StreamExt,
    stream::{SplitSink, SplitStream},
};
use hyper::upgrade::OnUpgrade;
use podling_proto::terminal::{Focus, Output, Range, attach_request};
use podling_session::frame::ClientFrame;
use tokio::{
    io::AsyncReadExt,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::debug;

use crate::{
    Inner, Limits,
    admit::Admission,
    attach::{Ask, Dialect},
    close::{Ending, Refused},
    frame,
    handshake::{self, Socket},
    inbox::{self, Post},
    upstream::{Event, Upstream},
};

type Sink = SplitSink<Socket, Message>;

/// Serves an admitted viewer until either side ends.
pub(crate) async fn run(gateway: Arc<Inner>, upgrade: OnUpgrade, ask: Ask, admission: Admission) {
    let (uid, dialect, limits) = (ask.uid, ask.dialect, gateway.config.limits);
    let Ok(socket) = handshake::socket(upgrade, dialect).await else {
        debug!(session.uid = %uid, "a viewer left during the handshake");
        return;
    };
    let _open = Open::new();
    let (post, inbox) = inbox::inbox();
    let events = Upstream::new(Arc::clone(&gateway), ask, admission, inbox).events();
    let (sink, stream) = socket.split();
    let mut viewer = Viewer { sink, dialect, limits, post: post.clone() };
    let mut sender = Sender { stream, dialect, limits, post };
    let ending = tokio::select! {
        ending = viewer.follow(events) => ending,
        ending = sender.read() => ending,
        () = turn_to_leave(&gateway) => Ending::Draining,
    };
    debug!(session.uid = %uid, ending = ending.name(), "a viewer of session {uid} ended");
    metrics::counter!("podling_gateway_endings_total", "ending" => ending.name()).increment(1);
    finish(viewer.sink, sender.stream, &ending, dialect, limits).await;
}

/// Tells a `podling.v1` client why it is refused: a page cannot read the status of a failed upgrade.
pub(crate) async fn refuse(upgrade: OnUpgrade, refused: Refused, limits: Limits) {
    let dialect = Dialect::Framed;
    if let Ok(socket) = handshake::socket(upgrade, dialect).await {
        let (sink, stream) = socket.split();
        finish(sink, stream, &Ending::Refused(refused), dialect, limits).await;
    }
}

/// When this socket is to go: at once for one of them, at the end of the spread for another.
async fn turn_to_leave(gateway: &Inner) {
    gateway.draining.cancelled().await;
    sleep(gateway.config.limits.drain_spread.mul_f64(rand::random())).await;
}

/// The way to the viewer.
struct Viewer {
    sink: Sink,
    dialect: Dialect,
    limits: Limits,
    post: Post,
}

impl Viewer {
    async fn follow(&mut self, events: impl Stream<Item = Event>) -> Ending {
        let mut events = pin!(events);
        let mut pings = interval(self.limits.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            let sent = tokio::select! {
                biased;
                _ = pings.tick() => self.send(Message::Ping(Bytes::new())).await,
                event = events.next() => match event {
                    None => return Ending::Unreachable,
                    Some(Event::End(ending)) => return ending,
                    Some(Event::Output(output)) => self.output(output).await,
                    Some(event) => self.aside(event).await,
                },
            };
            if let Err(ending) = sent {
                return ending;
            }
        }
    }

    async fn output(&mut self, output: Output) -> Result<(), Ending> {
        let Output { mut offset, mut data, replay } = output;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(frame::MAX_OUTPUT_BYTES));
            let end = offset + chunk.len() as u64;
            self.send(frame::output(self.dialect, offset, replay, chunk)).await?;
            if self.dialect == Dialect::Plain {
                self.post.ack(end); // A plain client acks nothing: what its socket took counts.
            }
            offset = end;
        }
        Ok(())
    }

    async fn aside(&mut self, event: Event) -> Result<(), Ending> {
        match frame::aside(self.dialect, event) {
            Some(message) => self.send(message).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(self.limits.send_timeout, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Gone),
            Err(_) => Err(Ending::TooSlow),
        }
    }
}

/// The way from the viewer.
struct Sender {
    stream: SplitStream<Socket>,
    dialect: Dialect,
    limits: Limits,
    post: Post,
}

impl Sender {
    /// The deadline runs while this reads, not while it waits for room: who is kept waiting is not silent.
    async fn read(&mut self) -> Ending {
        loop {
            let message = match timeout(self.limits.pong_deadline, self.stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return broken(&error),
                Ok(None) => return Ending::Gone,
                Err(_) => return Ending::Silent,
            };
            if let Err(ending) = self.deliver(message).await {
                return ending;
            }
        }
    }

    async fn deliver(&self, message: Message) -> Result<(), Ending> {
        match (message, self.dialect) {
            (Message::Close(_), _) => return Err(Ending::Gone),
            (Message::Ping(_) | Message::Pong(_) | Message::Frame(_), _) => {}
            (Message::Binary(bytes), Dialect::Plain) => self.post.input(bytes).await,
            (Message::Text(text), Dialect::Plain) => self.post.input(text.into()).await,
            (Message::Binary(bytes), Dialect::Framed) => self.frame(bytes).await?,
            (Message::Text(_), Dialect::Framed) => {
                return Err(Ending::Violation { code: 1003, reason: "podling.v1 has binary messages only" });
            }
        }
        Ok(())
    }

    async fn frame(&self, bytes: Bytes) -> Result<(), Ending> {
        use attach_request::Message;
        match ClientFrame::decode(bytes) {
            Ok(Some(ClientFrame::Input(bytes))) => self.post.input(bytes).await,
            Ok(Some(ClientFrame::Ack { offset })) => self.post.ack(offset),
            Ok(Some(ClientFrame::Resize(size))) => self.post.send(Message::Resize(size.into())).await,
            Ok(Some(ClientFrame::ResumeAck { generation })) => self.post.resume_ack(generation).await,
            Ok(Some(ClientFrame::Fetch { from, to })) => self.post.send(Message::Fetch(Range { from, to })).await,
            Ok(Some(ClientFrame::Focus)) => self.post.send(Message::Focus(Focus {})).await,
            Ok(None) => {} // Of a later version of the protocol.
            Err(_) => return Err(Ending::Violation { code: 1002, reason: "a frame ends before its fields do" }),
        }
        Ok(())
    }
}

fn broken(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::Violation { code: 1009, reason: "the message is too big" },
        Error::Utf8(_) => Ending::Violation { code: 1007, reason: "the text is not UTF-8" },
        Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            Ending::Gone
        }
        Error::Protocol(_) => Ending::Violation { code: 1002, reason: "the WebSocket protocol was broken" },
        _ => Ending::Gone,
    }
}

/// Says the last words and waits for the viewer to have read them: a socket that is dropped with unread bytes resets
/// the connection, and what is still on its way to the viewer would be lost.
async fn finish(sink: Sink, stream: SplitStream<Socket>, ending: &Ending, dialect: Dialect, limits: Limits) {
    let patience = match ending {
        Ending::Exit(_) | Ending::Refused(_) => limits.send_timeout,
        _ => limits.close_timeout,
    };
    if timeout(patience, say_goodbye(sink, stream, ending, dialect)).await.is_err() {
        debug!(ending = ending.name(), "a viewer did not answer the close frame");
    }
}

async fn say_goodbye(mut sink: Sink, mut stream: SplitStream<Socket>, ending: &Ending, dialect: Dialect) {
    let Some(close) = ending.close_frame(dialect) else {
        if *ending == Ending::Gone {
            let _ = sink.close().await; // Sends the answer to the viewer's close frame, if there is a viewer.
        }
        return;
    };
    if let Some(words) = frame::last_words(dialect, ending)
        && sink.send(words).await.is_err()
    {
        return;
    }
    if sink.send(Message::Close(Some(close))).await.is_err() {
        return;
    }
    if matches!(ending, Ending::Violation { .. }) {
        discard(sink, stream).await;
    } else {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// After a violation the parser reads no further; the rest is taken as it is, until the viewer has hung up.
async fn discard(sink: Sink, stream: SplitStream<Socket>) {
    let Ok(socket) = sink.reunite(stream) else { return };
    let (mut io, mut scrap) = (socket.into_inner(), [0; 4096]);
    while matches!(io.read(&mut scrap).await, Ok(count) if count > 0) {}
}

/// Counts the open sockets.
struct Open;

impl Open {
    fn new() -> Open {
        metrics::gauge!("podling_gateway_sockets").increment(1);
        Open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("podling_gateway_sockets").decrement(1);
    }
}
