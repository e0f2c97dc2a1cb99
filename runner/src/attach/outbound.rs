//! What a viewer is sent: the log from its offset on, as far as its credit reaches.
//!
//! A stream is polled by the connection that carries it; there is no task and no queue between the log and the wire.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use podling_proto::{
    replay::{Teller, response},
    terminal::{AttachResponse, Closed, Opened, attach_response::Message},
};
use podling_session::refusal::close;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tonic::Status;
use tracing::error;

use super::{
    Stage,
    registry::{Close, Viewer},
};
use crate::terminal::{CHUNK_BYTES, Cursor, Head, ReadError, Start};

/// How much a viewer may be sent beyond what it has acked.
const WINDOW_BYTES: u64 = 1 << 20;
/// A viewer that must keep up and takes nothing for this long is closed.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);

/// What becomes of a viewer that does not take what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It waits, until the log no longer has what it needs.
    Patient,
    /// It is closed.
    Prompt,
}

pub(super) struct Outbound {
    viewer: Arc<Viewer>,
    stage: Arc<Stage>,
    pace: Pace,
    cursor: Cursor,
    teller: Teller,
    ready: VecDeque<AttachResponse>,
    over: bool,
    /// When the viewer last took something, or had nothing to take.
    progress: Instant,
    acked: watch::Receiver<u64>,
    count: watch::Receiver<u32>,
    closing: watch::Receiver<Option<Close>>,
    head: watch::Receiver<Head>,
}

impl Outbound {
    pub(super) fn new(viewer: Arc<Viewer>, stage: Arc<Stage>, start: Start, pace: Pace) -> Outbound {
        let Start { cursor, from, head, size, first_offset } = start;
        let opened = Opened { first_offset, head_offset: head, from, size: Some(size.into()) };
        let mut count = viewer.count();
        count.mark_changed();
        Outbound {
            acked: viewer.begin(from),
            closing: viewer.closing(),
            head: stage.log.head(),
            viewer,
            stage,
            pace,
            cursor,
            teller: Teller::new(from, head),
            ready: [response(Message::Opened(opened))].into(),
            over: false,
            progress: Instant::now(),
            count,
        }
    }

    pub(super) fn stage(&self) -> Arc<Stage> {
        Arc::clone(&self.stage)
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<AttachResponse, Status>> + Send {
        stream::unfold(self, |mut outbound| async move { Some((outbound.next().await?, outbound)) })
    }

    async fn next(&mut self) -> Option<Result<AttachResponse, Status>> {
        while !self.over {
            let close = *self.closing.borrow_and_update();
            if let Some(close) = close {
                return self.close(close.words()?);
            }
            if let Some(message) = self.ready.pop_front() {
                self.over = matches!(message.message, Some(Message::Exit(_)));
                return Some(Ok(message));
            }
            if self.count.has_changed().is_ok_and(|changed| changed) {
                let count = *self.count.borrow_and_update();
                return Some(Ok(response(Message::Viewers(count))));
            }
            let behind = self.cursor.is_behind(*self.head.borrow_and_update());
            let credit = self.has_credit();
            if !behind || credit {
                self.progress = Instant::now();
            }
            match (behind, credit) {
                (true, true) => {
                    if let Err(error) = self.read().await {
                        return self.fail(error);
                    }
                }
                _ => {
                    if self.wait(behind).await.is_none() {
                        return self.close((close::TOO_SLOW, "the viewer took nothing for too long"));
                    }
                }
            }
        }
        None
    }

    fn has_credit(&mut self) -> bool {
        let unacked = self.teller.told().saturating_sub(*self.acked.borrow_and_update());
        unacked + CHUNK_BYTES as u64 <= WINDOW_BYTES
    }

    async fn read(&mut self) -> Result<(), ReadError> {
        for record in self.stage.log.read(&mut self.cursor).await? {
            self.ready.extend(self.teller.tell(record));
        }
        self.viewer.told(self.teller.told());
        Ok(())
    }

    /// Waits for whatever may let the stream go on. `None` when the viewer was too slow.
    async fn wait(&mut self, behind: bool) -> Option<()> {
        let deadline = self.progress + PROGRESS_TIMEOUT;
        let impatient = behind && self.pace == Pace::Prompt;
        tokio::select! {
            biased;
            _ = self.closing.changed() => {}
            _ = self.acked.changed() => self.progress = Instant::now(),
            _ = self.head.changed(), if !behind => {}
            _ = self.count.changed() => self.count.mark_changed(),
            () = sleep_until(deadline), if impatient => return None,
        }
        Some(())
    }

    fn fail(&mut self, error: ReadError) -> Option<Result<AttachResponse, Status>> {
        match error {
            ReadError::FellOff(not_kept) => self.close((close::FELL_OFF, &not_kept.first.to_string())),
            ReadError::Segment(source) => {
                error!(%source, "a segment of the terminal log cannot be read");
                self.over = true;
                Some(Err(Status::data_loss("the terminal log cannot be read")))
            }
        }
    }

    fn close(&mut self, (code, reason): (u16, &str)) -> Option<Result<AttachResponse, Status>> {
        self.over = true;
        let closed = Closed { code: code.into(), reason: reason.to_owned() };
        Some(Ok(response(Message::Closed(closed))))
    }
}

/// The connection has taken the last message, or is gone.
impl Drop for Outbound {
    fn drop(&mut self) {
        self.viewer.end();
        self.stage.window.change(|windows| windows.leave(self.viewer.stream));
    }
}
