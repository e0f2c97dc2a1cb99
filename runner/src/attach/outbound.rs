//! What a viewer is sent: the log from its beginning on, as far as its credit reaches.
//!
//! A stream is polled by the connection that carries it; there is no task and no queue between the log and the wire.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{Stream, stream};
use podling_proto::{
    replay::response,
    terminal::{self, AttachResponse, Closed, Opened, attach_response::Message},
};
use podling_session::{attendance::Roll, refusal::close};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tonic::Status;
use tracing::error;

use super::{
    Stage,
    begin::Beginning,
    credit::Credit,
    fetch::Fetch,
    registry::{Close, Viewer},
    view::{Pace, View},
};
use crate::terminal::{CHUNK_BYTES, Cursor, Head, ReadError, Snapshot, Snapshots};

/// A plain viewer that takes nothing for this long is closed.
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the emulator may take to show the screen; then the output goes on.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Outbound {
    viewer: Arc<Viewer>,
    stage: Arc<Stage>,
    pace: Pace,
    cursor: Cursor,
    view: View,
    credit: Credit,
    /// What was told and not sent yet.
    ready: VecDeque<AttachResponse>,
    over: bool,
    /// The output below was sent.
    sent: u64,
    /// Since it was out of credit the viewer may have been left behind.
    starved: bool,
    /// It was, and is sent nothing before it jumps.
    holds: bool,
    wanted: Option<Wanted>,
    /// A screen was no use: the next is asked for when there is output from here on.
    redraw_from: u64,
    fetch: Option<Fetch>,
    /// It is the turn of what was asked for.
    fetch_next: bool,
    /// Output was sent since the input was looked at.
    spoke: bool,
    /// How much of its input the viewer knows to be taken.
    input_told: u64,
    /// When the viewer last took something, or had nothing to take.
    progress: Instant,
    acked: watch::Receiver<u64>,
    taken: watch::Receiver<u64>,
    fetches: watch::Receiver<Option<(u64, u64)>>,
    count: watch::Receiver<u32>,
    roll: watch::Receiver<Arc<Roll>>,
    closing: watch::Receiver<Option<Close>>,
    head: watch::Receiver<Head>,
    snapshots: Snapshots,
}

/// A screen that the stream waits for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// It has looked at the records below.
    index: u64,
    /// In place of output; else after another window size.
    to_jump: bool,
    deadline: Instant,
}

/// What the stream does next when nothing is ready.
enum Step {
    Told(AttachResponse),
    Again,
    Wait { behind: bool },
}

impl Outbound {
    pub(super) fn new(viewer: Arc<Viewer>, stage: Arc<Stage>, mut beginning: Beginning, pace: Pace) -> Outbound {
        let (view, told) = View::new(pace, &mut beginning);
        let start = beginning.start;
        let opened = Opened {
            first_offset: start.first_offset,
            head_offset: start.head,
            from: start.from,
            size: Some(start.size.into()),
        };
        let mut count = viewer.count();
        count.mark_changed();
        let mut roll = viewer.roll();
        roll.mark_changed();
        let now = Instant::now();
        let acked = viewer.begin(start.from);
        viewer.told(view.told());
        Outbound {
            acked,
            taken: viewer.hand().taken(),
            fetches: viewer.fetches(),
            closing: viewer.closing(),
            head: stage.log.head(),
            snapshots: stage.follower.snapshots(),
            viewer,
            stage,
            pace,
            cursor: start.cursor,
            sent: view.told(),
            view,
            credit: Credit::new(now),
            ready: [response(Message::Opened(opened))].into_iter().chain(told).collect(),
            over: false,
            starved: false,
            holds: false,
            wanted: None,
            redraw_from: 0,
            fetch: None,
            fetch_next: true,
            spoke: false,
            input_told: 0,
            progress: now,
            count,
            roll,
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
            let now = Instant::now();
            self.credit.acked(*self.acked.borrow_and_update(), now);
            self.look_at_screens(now);
            if let Some(message) = self.pop(now).or_else(|| self.aside()) {
                return Some(Ok(message));
            }
            match self.advance(now).await {
                Ok(Step::Told(message)) => return Some(Ok(message)),
                Ok(Step::Again) => {}
                Ok(Step::Wait { behind }) => {
                    if self.wait(behind).await.is_none() {
                        return self.close((close::TOO_SLOW, "the viewer took nothing for too long"));
                    }
                }
                Err(error) => return self.fail(error),
            }
        }
        None
    }

    /// The next message that may be sent.
    fn pop(&mut self, now: Instant) -> Option<AttachResponse> {
        let Some(Message::Output(output)) = self.ready.front_mut().and_then(|front| front.message.as_mut()) else {
            let message = self.ready.pop_front()?;
            self.over = matches!(message.message, Some(Message::Exit(_)));
            return Some(message);
        };
        let bytes = self.credit.allows(output.data.len(), now);
        if bytes == 0 || self.holds {
            self.starved = true;
            return None;
        }
        let mut first = output.clone();
        first.data = output.data.split_to(bytes);
        output.offset += bytes as u64;
        if output.data.is_empty() {
            self.ready.pop_front();
        }
        self.credit.sent(first.offset, bytes, now);
        self.sent = first.offset + bytes as u64;
        self.viewer.told(self.sent);
        (self.progress, self.spoke) = (now, true);
        Some(response(Message::Output(first)))
    }

    /// What is told beside the log.
    fn aside(&mut self) -> Option<AttachResponse> {
        if self.count.has_changed().is_ok_and(|changed| changed) {
            return Some(response(Message::Viewers(*self.count.borrow_and_update())));
        }
        if self.roll.has_changed().is_ok_and(|changed| changed) {
            let roll = self.roll.borrow_and_update().clone();
            return Some(response(Message::Roll(called(&roll, self.viewer.number()))));
        }
        // Little that was taken is told when something is told anyway, such as its echo.
        let is_due = self.taken.has_changed().is_ok_and(|changed| changed) || std::mem::take(&mut self.spoke);
        let taken = self.viewer.hand().taken_now();
        self.taken.mark_unchanged();
        if !is_due || taken == self.input_told {
            return None;
        }
        self.input_told = taken;
        Some(response(Message::InputTaken(taken)))
    }

    /// Takes the screen that was waited for, or finds that one is needed.
    fn look_at_screens(&mut self, now: Instant) {
        if let Some(wanted) = self.wanted {
            let newest = self.snapshots.borrow_and_update().clone();
            match newest.filter(|snapshot| snapshot.index >= wanted.index) {
                Some(snapshot) if wanted.to_jump => self.jump(&snapshot),
                Some(snapshot) => self.redraw(snapshot),
                None if now >= wanted.deadline => self.go_on(),
                None => {}
            }
        } else if self.is_left_behind(now) {
            self.want(true, now);
        } else if self.view.needs_redraw() && self.head.borrow().offset >= self.redraw_from {
            self.want(false, now);
        }
    }

    /// Whether a live viewer that was out of credit misses too much, and has drawn enough of the rest to jump. The exit is
    /// told after all of the output.
    fn is_left_behind(&mut self, now: Instant) -> bool {
        let backlog = self.head.borrow().offset.saturating_sub(self.sent);
        let told_exit = || self.ready.iter().any(|message| matches!(message.message, Some(Message::Exit(_))));
        self.starved &= self.pace == Pace::Live
            && !self.view.is_replay(self.sent)
            && self.credit.is_left_behind(backlog)
            && !told_exit();
        self.holds = self.starved;
        self.holds && self.credit.is_half_free(now)
    }

    fn want(&mut self, to_jump: bool, now: Instant) {
        let index = self.stage.follower.ask();
        self.wanted = Some(Wanted { index, to_jump, deadline: now + SNAPSHOT_TIMEOUT });
    }

    /// Gives up waiting for a screen, until there is more output.
    fn go_on(&mut self) {
        self.wanted = None;
        (self.starved, self.holds) = (false, false);
        self.redraw_from = self.head.borrow().offset + 1;
    }

    fn redraw(&mut self, snapshot: Arc<Snapshot>) {
        self.go_on();
        self.ready.extend(self.view.redraw(snapshot));
    }

    fn jump(&mut self, snapshot: &Snapshot) {
        self.go_on();
        let Ok(start) = self.stage.log.seek_behind(snapshot.at, snapshot.index) else { return };
        if snapshot.at <= self.sent {
            return;
        }
        let stage = self.stage.log.stage_between(self.cursor.index(), start.cursor.index());
        let is_of_the_past = |message: &Option<Message>| {
            matches!(message, Some(Message::Output(_) | Message::Resized(_) | Message::Snapshot(_)))
        };
        self.ready.retain(|response| !is_of_the_past(&response.message));
        self.ready.extend(self.view.jump(self.sent, snapshot, stage));
        self.cursor = start.cursor;
        self.sent = snapshot.at;
        self.viewer.told(self.sent);
    }

    /// Reads on: what was asked for and the log, in turn.
    async fn advance(&mut self, now: Instant) -> Result<Step, ReadError> {
        if self.fetches.has_changed().is_ok_and(|changed| changed) {
            let question = *self.fetches.borrow_and_update();
            self.fetch = question.map(|(from, to)| Fetch::new(&self.stage.log, from, to, now));
        }
        let behind = !self.ready.is_empty() || self.cursor.is_behind(*self.head.borrow_and_update());
        let has_credit = self.credit.allows(CHUNK_BYTES, now) > 0;
        let reads = behind && self.ready.is_empty() && self.wanted.is_none() && has_credit;
        if !behind {
            self.progress = now;
            self.credit.idle();
        }
        self.starved |= behind && !has_credit;
        if let Some(fetch) = self.fetch.as_mut().filter(|fetch| fetch.due() <= now && (self.fetch_next || !reads)) {
            self.fetch_next = false;
            let fetched = fetch.piece(&self.stage.log, self.credit.rate(), now).await?;
            if fetched.data.is_empty() {
                self.fetch = None;
            }
            return Ok(Step::Told(response(Message::Fetched(fetched))));
        }
        if !reads {
            return Ok(Step::Wait { behind });
        }
        self.fetch_next = true;
        self.read(now).await?;
        Ok(Step::Again)
    }

    async fn read(&mut self, now: Instant) -> Result<(), ReadError> {
        match self.stage.log.read(&mut self.cursor).await {
            Ok(records) => self.ready.extend(self.view.tell(records, self.cursor.index())),
            Err(ReadError::FellOff(_)) if self.pace == Pace::Live => self.want(true, now),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits for whatever may let the stream go on. `None` when the viewer was too slow.
    async fn wait(&mut self, behind: bool) -> Option<()> {
        let impatient = behind && self.pace == Pace::Plain;
        let screen_due = self.wanted.map(|wanted| wanted.deadline);
        let fetch_due = self.fetch.as_ref().map(Fetch::due);
        tokio::select! {
            biased;
            _ = self.closing.changed() => {}
            _ = self.acked.changed() => {
                self.acked.mark_changed();
                self.progress = Instant::now();
            }
            _ = self.head.changed(), if !behind => {}
            shown = self.snapshots.changed(), if self.wanted.is_some() => if shown.is_err() {
                self.go_on();
                self.redraw_from = u64::MAX; // There is no emulator any more.
            },
            _ = self.count.changed() => self.count.mark_changed(),
            _ = self.roll.changed() => self.roll.mark_changed(),
            _ = self.taken.changed() => self.taken.mark_changed(),
            _ = self.fetches.changed() => self.fetches.mark_changed(),
            () = sleep_until(self.progress + PROGRESS_TIMEOUT), if impatient => return None,
            () = at(screen_due) => {}
            () = at(fetch_due) => {}
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

/// The roll as one viewer is told it.
fn called(roll: &Roll, you: u32) -> terminal::Roll {
    let people = roll.people.iter().map(terminal::Person::from).collect();
    terminal::Roll { you, holder: roll.holder.unwrap_or_default(), people }
}

/// Returns at this time; never, when there is none.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The connection has taken the last message, or is gone.
impl Drop for Outbound {
    fn drop(&mut self) {
        self.viewer.end();
        let holder = self.viewer.turn().holder;
        self.stage.window.change(|windows| windows.held_by(holder).leave(self.viewer.stream));
    }
}
