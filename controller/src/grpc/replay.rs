//! One viewer's stream of a stored log.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    stream::{self, BoxStream, StreamExt},
};
use podling_proto::{
    replay::{Teller, response},
    terminal::{
        AttachRequest, AttachResponse, Closed, Opened, Output, Skipped, Snapshot, attach_request,
        attach_response::Message,
    },
};
use podling_session::{log::Body, phase::End, refusal::close};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::{credit::Credit, error::Error, fetching::Fetches, seats::Seat};
use crate::logs::{
    begin::Beginning,
    read::{Reader, Stored},
};

/// The credit of a viewer, as at a runner.
const WINDOW: u64 = 1 << 20;
/// The most output in one message: far below the limit of gRPC, and small enough that a close is not late.
const CHUNK: usize = 64 * 1024;
/// A plain viewer that acks nothing for this long is cut off: it may be a stuck pipe.
const TOO_SLOW: Duration = Duration::from_secs(30);
/// How long a stream that has sent everything waits for the viewer to confirm its resume token. A short log is sent
/// faster than the answer comes, and a token that is confirmed must not open another stream.
const LINGER: Duration = Duration::from_secs(1);

/// How long a viewer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pacing {
    AsAcked,
    /// 30 s without an ack are too long.
    AsAckedInTime,
}

/// Where a replay begins, and how it ends.
pub(super) struct Opening {
    pub(super) beginning: Beginning,
    /// What the viewer holds already.
    pub(super) held: Option<u64>,
    pub(super) end: End,
    pub(super) pacing: Pacing,
}

pub(super) struct Replay {
    inbound: Streaming<AttachRequest>,
    seat: Seat,
    reader: Reader,
    credit: Credit,
    teller: Teller,
    end: End,
    pacing: Pacing,
    progress: Instant,
    confirmed: bool,
    from: u64,
    /// What is said before the first record.
    greetings: VecDeque<Message>,
    fetches: Fetches,
    /// Input that came, and how much of it the viewer was told is taken. There is no program to type to any more.
    input: u64,
    input_told: u64,
    step: Step,
}

enum Step {
    Read,
    /// Output that is yet to be sent, from an offset on.
    Send(u64, Bytes),
    /// The end was sent.
    Linger,
    Done,
}

impl Replay {
    pub(super) fn new(inbound: Streaming<AttachRequest>, seat: Seat, stored: Stored, opening: Opening) -> Replay {
        let Opening { beginning, held, end, pacing } = opening;
        let (head, from) = (stored.end(), beginning.from);
        Replay {
            inbound,
            seat,
            greetings: greetings(&stored, beginning, held),
            fetches: Fetches::new(stored.clone()),
            reader: stored.read(from),
            credit: Credit::new(WINDOW, from),
            teller: Teller::new(from, head),
            end,
            pacing,
            progress: Instant::now(),
            confirmed: false,
            from,
            input: 0,
            input_told: 0,
            step: Step::Read,
        }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, Result<AttachResponse, Status>> {
        stream::unfold(self, |mut replay| async move {
            let message = replay.next().await?;
            let answer = message.map(response);
            Some((answer.map_err(Status::from), replay))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        loop {
            self.take_waiting_requests();
            if self.seat.is_revoked() && !matches!(self.step, Step::Linger | Step::Done) {
                return Some(Ok(self.close(close::REVOKED, "the link was taken back")));
            }
            if self.seat.is_replaced() && !matches!(self.step, Step::Linger | Step::Done) {
                return Some(Ok(self.close(close::REPLACED, "another stream of this viewer took over")));
            }
            match self.aside().await {
                Ok(None) => {}
                Ok(Some(message)) => return Some(Ok(message)),
                Err(error) => {
                    self.step = Step::Done;
                    return Some(Err(error));
                }
            }
            match std::mem::replace(&mut self.step, Step::Read) {
                Step::Read => match self.read().await {
                    Ok(None) => {}
                    Ok(Some(message)) => return Some(Ok(message)),
                    Err(error) => {
                        self.step = Step::Done;
                        return Some(Err(error));
                    }
                },
                Step::Send(offset, bytes) if self.credit.room() > 0 => return Some(Ok(self.send(offset, bytes))),
                Step::Send(offset, bytes) => {
                    self.step = Step::Send(offset, bytes);
                    match self.wait_for_credit().await {
                        Waited::Requests => {}
                        Waited::TooLong => {
                            return Some(Ok(self.close(close::TOO_SLOW, "the viewer made no progress for 30 s")));
                        }
                        Waited::Gone => self.step = Step::Done,
                    }
                }
                Step::Linger => {
                    self.linger().await;
                    self.step = Step::Done;
                }
                Step::Done => {
                    self.step = Step::Done;
                    return None;
                }
            }
        }
    }

    /// What does not wait for credit; nothing after the end.
    async fn aside(&mut self) -> Result<Option<Message>, Error> {
        if matches!(self.step, Step::Linger | Step::Done) {
            return Ok(None);
        }
        if let Some(greeting) = self.greetings.pop_front() {
            return Ok(Some(greeting));
        }
        if self.input > self.input_told {
            self.input_told = self.input;
            return Ok(Some(Message::InputTaken(self.input)));
        }
        Ok(self.fetches.piece().await?.map(Message::Fetched))
    }

    /// The message of the next record; none when it has no message, or is output.
    async fn read(&mut self) -> Result<Option<Message>, Error> {
        let Some(record) = self.reader.next().await? else {
            self.step = Step::Linger;
            return Ok(Some(Message::Exit(self.end.clone().into())));
        };
        if matches!(record.body, Body::Resize(_)) && record.offset < self.from {
            return Ok(None); // `opened` told the size that came of it.
        }
        // All of a stored log is a replay: no record is split at the head, and each has one message at most.
        match self.teller.tell(record).pop().and_then(|answer| answer.message) {
            Some(Message::Output(output)) => {
                self.credit.skipped(output.offset);
                self.step = Step::Send(output.offset, output.data);
                Ok(None)
            }
            // The session's end is told, which may be another than that of its command.
            Some(Message::Exit(_)) | None => Ok(None),
            message => Ok(message),
        }
    }

    fn send(&mut self, offset: u64, mut bytes: Bytes) -> Message {
        let data = bytes.split_to(bytes.len().min(CHUNK).min(self.credit.room()));
        let end = offset + data.len() as u64;
        self.credit.sent(end);
        if !bytes.is_empty() {
            self.step = Step::Send(end, bytes);
        }
        Message::Output(Output { offset, data, replay: true })
    }

    async fn wait_for_credit(&mut self) -> Waited {
        let slow = self.progress + TOO_SLOW;
        tokio::select! {
            biased;
            () = self.seat.closing() => Waited::Requests,
            request = self.inbound.message() => match request {
                Ok(Some(request)) => {
                    self.take(request);
                    Waited::Requests
                }
                Ok(None) | Err(_) => Waited::Gone,
            },
            () = sleep_until(slow), if self.pacing == Pacing::AsAckedInTime => Waited::TooLong,
        }
    }

    fn take_waiting_requests(&mut self) {
        while let Some(Ok(Some(request))) = self.inbound.message().now_or_never() {
            self.take(request);
        }
    }

    /// There is no program to type to any more, and no window to resize.
    fn take(&mut self, request: AttachRequest) {
        match request.message {
            Some(attach_request::Message::Ack(offset)) if self.credit.ack(offset) => self.progress = Instant::now(),
            Some(attach_request::Message::ResumeAck(generation)) => {
                self.seat.confirm(generation);
                self.confirmed = true;
            }
            Some(attach_request::Message::Input(bytes)) => self.input += bytes.len() as u64,
            Some(attach_request::Message::Fetch(range)) => self.fetches.ask(range),
            _ => {}
        }
    }

    async fn linger(&mut self) {
        let confirming = async {
            while !self.confirmed
                && let Ok(Some(request)) = self.inbound.message().await
            {
                self.take(request);
            }
        };
        let _ = timeout(LINGER, confirming).await; // It comes back with its session token then, if it comes at all.
    }

    fn close(&mut self, code: u16, reason: &str) -> Message {
        self.step = Step::Done;
        Message::Closed(closed(code, reason))
    }
}

fn greetings(stored: &Stored, beginning: Beginning, held: Option<u64>) -> VecDeque<Message> {
    let Beginning { from, size, keyframe } = beginning;
    let size = Some(size.into());
    let opened = Opened { first_offset: stored.first(), head_offset: stored.end(), from, size };
    let skipped = held.filter(|held| *held < from).map(|held| Message::Skipped(Skipped { from: held, to: from }));
    let screen =
        keyframe.map(|keyframe| Message::Snapshot(Snapshot { offset: from, data: keyframe.data, size, replay: true }));
    [Some(Message::Opened(opened)), skipped, screen].into_iter().flatten().collect()
}

/// What came of waiting for the viewer.
enum Waited {
    /// Requests were taken: look again.
    Requests,
    TooLong,
    Gone,
}

pub(super) fn closed(code: u16, reason: &str) -> Closed {
    Closed { code: code.into(), reason: reason.to_owned() }
}
