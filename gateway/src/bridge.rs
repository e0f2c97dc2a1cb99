//! One open WebSocket: the session's events to the viewer, the viewer's messages to the session. Each direction pauses
//! only itself, and terminal data is never parsed.

#[cfg(test)]
mod tests;

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use hyper::upgrade::OnUpgrade;
use podling_proto::terminal::Output;
use podling_session::frame::{ClientFrame, output_head};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};
use tracing::debug;

use crate::{
    Inner, Limits,
    admit::Admission,
    attach::{Ask, Dialect},
    close::{Ending, Refused},
    frame, handshake,
    inbox::{self, Overrun, Post},
    incoming::Incoming,
    outgoing::{Outgoing, Stuck},
    pongs::Pongs,
    upstream::{Event, Upstream},
};

/// The most output in one message: pings and pongs stand between messages.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;

/// Serves an admitted viewer until either side ends.
pub(crate) async fn run(gateway: Arc<Inner>, upgrade: OnUpgrade, ask: Ask, admission: Admission) {
    let (uid, dialect, limits) = (ask.uid, ask.dialect, gateway.config.limits);
    let Some((incoming, outgoing)) = handshake::socket(upgrade, dialect, &limits).await else {
        debug!(session.uid = %uid, "a viewer left during the handshake");
        return;
    };
    let _open = Open::new();
    let (post, inbox) = inbox::inbox();
    // Each future that it is handed to would hold it once more.
    let events = Box::pin(Upstream::new(Arc::clone(&gateway), ask, admission, inbox).events());
    let pongs = Pongs::default();
    let mut viewer = Viewer { outgoing, dialect, limits, post: post.clone(), pongs: &pongs };
    let mut sender = Sender { incoming, dialect, limits, post, pongs: &pongs };
    let ending = tokio::select! {
        ending = viewer.follow(events) => ending,
        ending = sender.read() => ending,
        () = turn_to_leave(&gateway) => Ending::Draining,
    };
    debug!(session.uid = %uid, ending = ending.name(), "a viewer of session {uid} ended");
    metrics::counter!("podling_gateway_endings_total", "ending" => ending.name()).increment(1);
    finish(viewer.outgoing, sender.incoming, &ending, dialect, limits).await;
}

/// Tells a `podling.v1` client why it is refused: a page cannot read the status of a failed upgrade.
pub(crate) async fn refuse(upgrade: OnUpgrade, refused: Refused, limits: Limits) {
    let dialect = Dialect::Framed;
    if let Some((incoming, outgoing)) = handshake::socket(upgrade, dialect, &limits).await {
        finish(outgoing, incoming, &Ending::Refused(refused), dialect, limits).await;
    }
}

/// When this socket is to go: at once for one of them, at the end of the spread for another.
async fn turn_to_leave(gateway: &Inner) {
    gateway.draining.cancelled().await;
    sleep(gateway.config.limits.drain_spread.mul_f64(rand::random())).await;
}

/// The way to the viewer.
struct Viewer<'a> {
    outgoing: Outgoing,
    dialect: Dialect,
    limits: Limits,
    post: Post,
    pongs: &'a Pongs,
}

impl Viewer<'_> {
    async fn follow(&mut self, events: impl Stream<Item = Event> + Unpin) -> Ending {
        match self.relay(events).await {
            Ok(ended) => match ended {},
            Err(ending) => ending,
        }
    }

    async fn relay(
        &mut self,
        mut events: impl Stream<Item = Event> + Unpin,
    ) -> Result<std::convert::Infallible, Ending> {
        let mut pings = interval(self.limits.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            tokio::select! {
                biased;
                () = self.pongs.some() => self.pongs.take().into_iter().for_each(|ping| self.outgoing.pong(ping)),
                _ = pings.tick() => self.outgoing.ping(),
                event = events.next() => self.put(event)?,
            }
            // What is ready goes with the same write.
            while self.outgoing.has_room()
                && let Some(event) = events.next().now_or_never()
            {
                self.put(event)?;
            }
            self.write().await?;
        }
    }

    /// What was put before an end is written by `finish`.
    fn put(&mut self, event: Option<Event>) -> Result<(), Ending> {
        match event {
            None => return Err(Ending::Unreachable),
            Some(Event::End(ending)) => return Err(ending),
            Some(Event::Output(output)) => self.output(output),
            Some(event) => {
                if let Some(message) = frame::aside(self.dialect, event) {
                    self.outgoing.binary(&[], message);
                }
            }
        }
        Ok(())
    }

    fn output(&mut self, output: Output) {
        let Output { mut offset, mut data, replay } = output;
        while !data.is_empty() {
            let chunk = data.split_to(data.len().min(MAX_OUTPUT_BYTES));
            let end = offset + chunk.len() as u64;
            match self.dialect {
                Dialect::Framed => self.outgoing.binary(&output_head(offset, replay), chunk),
                Dialect::Plain => {
                    self.outgoing.binary(&[], chunk);
                    self.outgoing.mark(end);
                }
            }
            offset = end;
        }
    }

    async fn write(&mut self) -> Result<(), Ending> {
        while !self.outgoing.is_empty() {
            let taken = self.outgoing.write().await.map_err(|stuck| match stuck {
                Stuck::Gone => Ending::Gone,
                Stuck::TooSlow => Ending::TooSlow,
            })?;
            if let Some(offset) = taken {
                self.post.ack(offset); // A plain client acks nothing: what its socket took counts.
            }
        }
        Ok(())
    }
}

/// The way from the viewer.
struct Sender<'a> {
    incoming: Incoming,
    dialect: Dialect,
    limits: Limits,
    post: Post,
    pongs: &'a Pongs,
}

impl Sender<'_> {
    /// The deadline runs while this reads, not while it waits for room: who is kept waiting is not silent. One timer
    /// serves many messages.
    async fn read(&mut self) -> Ending {
        let deadline = || Instant::now() + self.limits.pong_deadline;
        let mut silent_at = deadline();
        let mut timer = pin!(sleep_until(silent_at));
        loop {
            let message = tokio::select! {
                biased;
                message = self.incoming.next() => message,
                () = timer.as_mut() => {
                    if silent_at <= Instant::now() {
                        return Ending::Silent;
                    }
                    timer.as_mut().reset(silent_at);
                    continue;
                }
            };
            let delivered = match message {
                Ok(message) => self.deliver(message).await,
                Err(error) => return broken(&error),
            };
            if let Err(ending) = delivered {
                return ending;
            }
            silent_at = deadline();
        }
    }

    async fn deliver(&self, message: Message) -> Result<(), Ending> {
        match (message, self.dialect) {
            (Message::Close(why), _) => {
                return Err(Ending::Left(why.map(|why| (why.code.into(), why.reason.as_str().to_owned()))));
            }
            (Message::Ping(payload), _) => self.pongs.owe(payload),
            (Message::Pong(_) | Message::Frame(_), _) => {}
            (Message::Binary(bytes), Dialect::Plain) => self.post.input(bytes).await,
            (Message::Text(text), Dialect::Plain) => self.post.input(text.into()).await,
            (Message::Binary(bytes), Dialect::Framed) => self.frame(bytes)?,
            (Message::Text(_), Dialect::Framed) => {
                return Err(Ending::Violation { code: 1003, reason: "podling.v1 has binary messages only" });
            }
        }
        Ok(())
    }

    /// Nothing that a framed client sends ever waits here.
    fn frame(&self, bytes: Bytes) -> Result<(), Ending> {
        let delivered = match ClientFrame::decode(bytes) {
            Ok(Some(ClientFrame::Input(bytes))) => self.post.input_within_credit(&bytes),
            Ok(Some(ClientFrame::Fetch { from, to })) => self.post.fetch(from, to),
            Ok(Some(ClientFrame::LeaseAsk(wish))) => self.post.lease(wish.into()),
            Ok(Some(frame)) => {
                self.note(frame);
                Ok(())
            }
            Ok(None) => Ok(()), // Of a later version of the protocol.
            Err(_) => return Err(Ending::Violation { code: 1002, reason: "a frame ends before its fields do" }),
        };
        delivered.map_err(|Overrun| Ending::Violation {
            code: 4400,
            reason: "more input, fetches or wishes than the credit",
        })
    }

    fn note(&self, frame: ClientFrame) {
        match frame {
            ClientFrame::Ack { offset } => self.post.ack(offset),
            ClientFrame::Resize(size) => self.post.resize(size.into()),
            ClientFrame::ResumeAck { generation } => self.post.resume_ack(generation),
            ClientFrame::Focus => self.post.focus(),
            ClientFrame::Input(_) | ClientFrame::Fetch { .. } | ClientFrame::LeaseAsk(_) => {}
        }
    }
}

fn broken(error: &Error) -> Ending {
    match error {
        Error::Capacity(_) => Ending::Violation { code: 1009, reason: "the message is too big" },
        Error::Utf8(_) => Ending::Violation { code: 1007, reason: "the text is not UTF-8" },
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ending::Gone,
        Error::Protocol(_) => Ending::Violation { code: 1002, reason: "the WebSocket protocol was broken" },
        _ => Ending::Gone,
    }
}

/// Says the last words and waits for the viewer to have read them.
async fn finish(outgoing: Outgoing, incoming: Incoming, ending: &Ending, dialect: Dialect, limits: Limits) {
    let patience = match ending {
        Ending::Gone | Ending::Silent => return,
        Ending::Exit(_) | Ending::Refused(_) => limits.send_timeout,
        _ => limits.close_timeout,
    };
    let Ok(incoming) = timeout(patience, say_goodbye(outgoing, incoming, ending, dialect)).await else {
        return debug!(ending = ending.name(), "a viewer did not answer the close frame");
    };
    // Only the system of a viewer that has hung up is certain to have read everything.
    if timeout(limits.close_timeout, incoming.discard()).await.is_err() {
        debug!(ending = ending.name(), "a viewer did not hang up");
    }
}

async fn say_goodbye(mut outgoing: Outgoing, mut incoming: Incoming, ending: &Ending, dialect: Dialect) -> Incoming {
    if let Some(words) = frame::last_words(dialect, ending) {
        outgoing.binary(&[], words);
    }
    outgoing.close(ending.close_frame(dialect));
    if outgoing.flush().await.is_err() {
        return incoming;
    }
    // After its own close, or after a violation, there is nothing more to read from it.
    if !matches!(ending, Ending::Left(_) | Ending::Violation { .. }) {
        while let Ok(message) = incoming.next().await
            && !message.is_close()
        {}
    }
    outgoing.end().await;
    incoming
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
