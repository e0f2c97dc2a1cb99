//! The log as its parts share it: append at one end, write to files in the middle, read from anywhere.

use std::{
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use podling_session::{
    log::{Body, COMMAND_MARK, MAX_SEGMENT_BYTES, RECORD_BYTES, Record},
    phase::End,
    session::LogRange,
    size::WindowSize,
};
use tokio::{sync::watch, time::timeout};
use tracing::warn;

use super::{
    file::Batch,
    following::Following,
    history::Keyframes,
    index::{SegmentEntry, SegmentIndex},
    tail::Tail,
};

/// How much unwritten output is worth a write of its own at once.
const MUCH_UNWRITTEN_BYTES: u64 = 256 << 10;
/// How far the files may be behind the PTY before its reader waits for them. A disk that works writes this in far less
/// than a second.
const MAX_UNWRITTEN_BYTES: u64 = 4 << 20;
/// Storage that writes nothing for this long counts as refusing: the command does not wait for it any longer.
const STALLED: Duration = Duration::from_secs(5);
/// The longest text of a mark.
const MAX_MARK_BYTES: usize = 4096;

/// The end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the next record.
    pub(crate) index: u64,
    pub(crate) offset: u64,
    /// The exit is recorded: nothing follows.
    pub(crate) ended: bool,
}

#[derive(Debug)]
pub(crate) struct Log {
    directory: PathBuf,
    keep_bytes: u64,
    state: Mutex<State>,
    head: watch::Sender<Head>,
    /// How far the files are behind.
    unwritten: watch::Sender<Unwritten>,
    /// Whether the PTY's reader has to wait for the emulator.
    lagging: watch::Sender<bool>,
    /// Wakes the emulator.
    pub(super) look: Condvar,
    /// How many segments are sealed.
    sealed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) tail: Tail,
    pub(super) index: SegmentIndex,
    /// The first record and offset that are not in a file.
    pub(super) unwritten: Head,
    /// The window size in force at `unwritten`.
    pub(super) unwritten_size: WindowSize,
    /// How far the emulator has come, if there is one.
    pub(super) following: Option<Following>,
    pub(super) keyframes: Keyframes,
    /// The record of the stage that began last, with its index.
    stage: Option<(u64, Record)>,
    storage_refuses: bool,
    pub(super) ended: bool,
}

/// How much output is in no file yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// So little that the writer lets it gather.
    #[default]
    Little,
    /// Worth a write, as is the last of it.
    Much,
    /// The PTY's reader has to wait.
    TooMuch,
}

/// What the writer has to do next.
#[derive(Debug)]
pub(super) enum Pending {
    /// Records that fit into the open segment. `lost_from` is where output before them was lost.
    Write {
        batch: Batch,
        lost_from: Option<u64>,
    },
    /// The next record needs a segment of its own.
    Seal,
    Nothing {
        ended: bool,
    },
}

impl Log {
    /// A log whose segments are files in `directory`. `head` is told of every record.
    pub(crate) fn new(directory: PathBuf, keep_bytes: u64, head: watch::Sender<Head>) -> Log {
        let state = State {
            tail: Tail::new(),
            index: SegmentIndex::default(),
            unwritten: Head::default(),
            unwritten_size: WindowSize::DEFAULT,
            following: None,
            keyframes: Keyframes::default(),
            stage: None,
            storage_refuses: false,
            ended: false,
        };
        let (unwritten, lagging, sealed) = (watch::Sender::default(), watch::Sender::new(false), watch::Sender::new(0));
        Log { directory, keep_bytes, state: Mutex::new(state), head, unwritten, lagging, look: Condvar::new(), sealed }
    }

    /// Appends what the PTY said; then waits, if it must, for files that are far behind but still being written, and for
    /// the emulator.
    pub(crate) async fn output(&self, bytes: Bytes) {
        self.append(Body::Output(bytes));
        if *self.unwritten.borrow() == Unwritten::TooMuch {
            self.wait_for_files().await;
        }
        if *self.lagging.borrow() {
            let _ = self.lagging.subscribe().wait_for(|lagging| !lagging).await; // The sender is ours.
        }
    }

    async fn wait_for_files(&self) {
        let mut unwritten = self.unwritten.subscribe();
        if timeout(STALLED, unwritten.wait_for(|unwritten| *unwritten != Unwritten::TooMuch)).await.is_err() {
            warn!("the terminal log's storage has stalled");
            self.refused();
        }
    }

    /// Appends output that the runner itself prints, such as the progress of a download.
    pub(crate) fn print(&self, text: &str) {
        self.append(Body::Output(Bytes::copy_from_slice(text.as_bytes())));
    }

    pub(crate) fn note(&self, body: Body) {
        self.append(body);
    }

    pub(crate) fn mark(&self, text: &str) {
        self.append(Body::Mark(text[..text.floor_char_boundary(MAX_MARK_BYTES)].to_owned()));
    }

    /// Records the exit. `false` when there is one already; nothing is appended behind it.
    pub(crate) fn end(&self, end: End) -> bool {
        self.append(Body::Exit(end))
    }

    fn append(&self, body: Body) -> bool {
        let mut state = self.state();
        if state.ended {
            return false;
        }
        state.ended = matches!(body, Body::Exit(_));
        state.push(body);
        state.trim();
        self.publish(&state);
        if state.calls() {
            drop(state);
            self.look.notify_one();
        }
        true
    }

    /// Tells those who wait. Under the lock, so that a head is never followed by an older one.
    fn publish(&self, state: &State) {
        self.head.send_replace(state.head());
        self.tell_unwritten(state);
        self.set_lagging(state);
    }

    pub(super) fn set_lagging(&self, state: &State) {
        let now = state.is_lagging();
        self.lagging.send_if_modified(|lagging| std::mem::replace(lagging, now) != now);
    }

    fn tell_unwritten(&self, state: &State) {
        let now = state.how_unwritten();
        self.unwritten.send_if_modified(|unwritten| std::mem::replace(unwritten, now) != now);
    }

    /// Told when more than a little is unwritten, and when that changes.
    pub(super) fn unwritten(&self) -> watch::Receiver<Unwritten> {
        self.unwritten.subscribe()
    }

    pub(crate) fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn range(&self) -> LogRange {
        let state = self.state();
        LogRange { first: state.first_kept(), end: state.tail.end() }
    }

    /// The newest stage, when its record is between those of the indexes.
    pub(crate) fn stage_between(&self, from: u64, to: u64) -> Option<Record> {
        self.state().stage.clone().filter(|(at, _)| (from..to).contains(at)).map(|(_, record)| record)
    }

    /// The end of the output that is in files.
    pub(crate) fn stored_end(&self) -> u64 {
        self.state().unwritten.offset
    }

    /// How many segments are sealed. Closed never; the writer's end is the end.
    pub(crate) fn sealed(&self) -> watch::Receiver<u64> {
        self.sealed.subscribe()
    }

    /// The first sealed segment from a sequence on, with the first offset that is kept.
    pub(crate) fn sealed_from(&self, sequence: u64) -> Option<(SegmentEntry, u64)> {
        let state = self.state();
        state.index.sealed_from(sequence).map(|entry| (entry, state.first_kept()))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What to write, given the bytes of the open segment.
    pub(super) fn pending(&self, open_bytes: Option<u64>) -> Pending {
        self.state().pending(open_bytes)
    }

    /// The open segment was begun or has grown.
    pub(super) fn written(&self, entry: SegmentEntry, size: WindowSize) {
        let mut state = self.state();
        state.storage_refuses = false;
        state.unwritten = Head { index: entry.end_index, offset: entry.end_offset, ended: false };
        state.unwritten_size = size;
        state.index.update(entry);
        state.trim();
        self.tell_unwritten(&state);
    }

    /// A segment is sealed; the returned ones are no longer kept.
    pub(super) fn seal(&self, entry: SegmentEntry) -> Vec<SegmentEntry> {
        let mut state = self.state();
        state.index.update(entry);
        let removed = state.index.retain(self.keep_bytes);
        let (first, kept_from) = (state.first_kept(), state.index.removed_below());
        state.keyframes.retain(first, kept_from);
        drop(state);
        self.sealed.send_replace(entry.sequence + 1);
        removed
    }

    /// The storage takes nothing: from now on the tail alone is kept, and the PTY's reader does not wait.
    pub(super) fn refused(&self) {
        let mut state = self.state();
        state.storage_refuses = true;
        state.trim();
        self.tell_unwritten(&state);
    }
}

impl State {
    pub(super) fn head(&self) -> Head {
        Head { index: self.tail.next_index(), offset: self.tail.end(), ended: self.ended }
    }

    fn how_unwritten(&self) -> Unwritten {
        match self.tail.end() - self.unwritten.offset {
            MAX_UNWRITTEN_BYTES.. if !self.storage_refuses => Unwritten::TooMuch,
            MUCH_UNWRITTEN_BYTES.. => Unwritten::Much,
            _ if self.ended => Unwritten::Much,
            _ => Unwritten::Little,
        }
    }

    fn push(&mut self, body: Body) {
        let index = self.tail.next_index();
        self.keyframes.note(index, &body);
        let begins_stage = matches!(&body, Body::Stage(_)) || matches!(&body, Body::Mark(mark) if mark == COMMAND_MARK);
        self.tail.push(now_millis(), body);
        if begins_stage {
            self.stage = self.tail.last().map(|record| (index, record.clone()));
        }
    }

    pub(super) fn trim(&mut self) {
        let keep_from = if self.storage_refuses { u64::MAX } else { self.unwritten.index };
        self.tail.trim(keep_from.min(self.unfollowed()));
    }

    /// The first offset that a viewer may ask for.
    pub(super) fn first_kept(&self) -> u64 {
        self.index.first().map_or(self.tail.first_offset(), |entry| entry.first_offset)
    }

    fn pending(&self, open_bytes: Option<u64>) -> Pending {
        let first_index = self.unwritten.index.max(self.tail.first_index());
        let lost = first_index > self.unwritten.index;
        if first_index == self.tail.next_index() {
            return Pending::Nothing { ended: self.ended };
        }
        let open_bytes = match open_bytes {
            Some(_) if lost => return Pending::Seal,
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            // Room for the header and for the gap that may come first.
            None => podling_session::log::HEADER_BYTES + RECORD_BYTES + 8,
        };
        let records = fitting(self.tail.from(first_index), MAX_SEGMENT_BYTES.saturating_sub(open_bytes));
        if records.is_empty() {
            return Pending::Seal;
        }
        let size = if lost { self.tail.size() } else { self.unwritten_size };
        let lost_from = lost.then_some(self.unwritten.offset);
        Pending::Write { batch: Batch { first_index, size, records }, lost_from }
    }
}

/// The first records that have room together.
fn fitting<'a>(records: impl Iterator<Item = &'a Record>, mut room: usize) -> Vec<Record> {
    let fits = |record: &&Record| {
        let bytes = encoded_bytes(&record.body);
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    };
    records.take_while(fits).cloned().collect()
}

/// The bytes of a record in a segment. Those of an exit are an upper bound of what its JSON escapes to.
fn encoded_bytes(body: &Body) -> usize {
    let payload = match body {
        Body::Output(bytes) => bytes.len(),
        Body::Mark(text) => text.len(),
        Body::Keyframe(keyframe) => 20 + keyframe.data.len(),
        Body::Exit(end) => 128 + 6 * end.detail.len(),
        Body::Resize(_) | Body::Stage(_) | Body::Gap { .. } => 16,
    };
    RECORD_BYTES + payload
}

fn now_millis() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}
