//! The terminal emulator that follows the log on a thread of its own: it answers what programs ask their terminal, leaves
//! keyframes in the log, and shows the screen to whoever needs all of it.
//!
//! It is always behind the log, never between the program and its viewers. Sequences and characters that are not
//! complete are not fed to it, so that there is a state to show at any time.

use std::{io, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use podling_screen::Screen;
use podling_session::{
    log::{Body, Keyframe, MAX_KEYFRAME_BYTES, Record},
    size::WindowSize,
};
use tokio::sync::watch;
use tracing::error;

use super::{
    ground::settled,
    input::Keyboard,
    log::{Head, Log},
};

/// About how much output lies between two keyframes.
const KEYFRAME_EVERY_BYTES: u64 = 1 << 20;
/// More than this is not held back. The emulator gives a string up at 64 KiB, so it is several of them, one in another.
const MAX_HELD_BYTES: usize = 192 << 10;
/// What the buffer of a look may keep when there is little to do.
const IDLE_BYTES: usize = 16 << 10;
/// The emulator's stack: its state is on the heap.
const STACK_BYTES: usize = 256 << 10;

/// The screen as it was at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The records below this one were looked at: what stands beside the output is part of it.
    pub(crate) index: u64,
    /// The output below is drawn.
    pub(crate) at: u64,
    /// How many lines have scrolled off the screen.
    pub(crate) lines: u64,
    pub(crate) size: WindowSize,
    pub(crate) data: Bytes,
}

/// The newest snapshot that was asked for; the sender is gone when there will be no other.
pub(crate) type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// The emulator's thread; ends with the log, or with this.
#[derive(Debug)]
pub(crate) struct Follower {
    log: Arc<Log>,
    snapshots: Snapshots,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(log: Arc<Log>, keyboard: Keyboard) -> io::Result<Follower> {
        let mut emulator = Emulator::new(Arc::clone(&log), keyboard);
        let snapshots = emulator.snapshots();
        let thread = std::thread::Builder::new().name("screen".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || emulator.run())?;
        Ok(Follower { log, snapshots, thread: Some(thread) })
    }

    /// A follower whose emulator the caller moves on.
    #[cfg(test)]
    pub(crate) fn by_hand(log: Arc<Log>, keyboard: Keyboard) -> (Follower, Emulator) {
        let emulator = Emulator::new(Arc::clone(&log), keyboard);
        (Follower { log, snapshots: emulator.snapshots(), thread: None }, emulator)
    }

    /// What `ask` leads to.
    pub(crate) fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// Asks for a snapshot that has seen every record of now; returns the index that such a one has at least.
    pub(crate) fn ask(&self) -> u64 {
        self.log.ask_look().index
    }

    /// The screen of now, made once for all who ask at one place. `None` when there is no emulator any more.
    /// Cancel safe. It may take as long as the program stays within one sequence that is longer than the emulator takes.
    pub(crate) async fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let index = self.ask();
        let mut snapshots = self.snapshots();
        let fresh =
            |snapshot: &Option<Arc<Snapshot>>| snapshot.as_ref().is_some_and(|snapshot| snapshot.index >= index);
        snapshots.wait_for(fresh).await.ok()?.clone()
    }

    /// Leaves the last keyframe in the log, so that what is stored ends with one.
    pub(crate) async fn finish(&self) {
        let Some(snapshot) = self.snapshot().await else { return };
        if self.log.last_keyframe() != Some(snapshot.at) {
            snapshot.keep(&self.log);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.log.stop_following();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the terminal emulator has failed");
        }
    }
}

impl Snapshot {
    fn keep(&self, log: &Log) {
        let Snapshot { at, lines, size, ref data, .. } = *self;
        if data.len() <= MAX_KEYFRAME_BYTES {
            log.note(Body::Keyframe(Keyframe { at, lines, size, data: data.clone() }));
        }
    }
}

/// The emulator's own side.
pub(crate) struct Emulator {
    log: Arc<Log>,
    keyboard: Keyboard,
    screen: Screen,
    /// Records below were read.
    index: u64,
    /// Output below was fed.
    at: u64,
    /// What was read and not fed: in a look all of it, afterwards what is not complete.
    unfed: Vec<u8>,
    /// Where the last keyframe was.
    keyframe_at: u64,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    /// Whether the size has changed since the latest.
    resized: bool,
}

impl Emulator {
    fn new(log: Arc<Log>, keyboard: Keyboard) -> Emulator {
        let Head { index, offset: at, .. } = log.follow();
        let screen = Screen::new(WindowSize::DEFAULT);
        let latest = watch::Sender::new(None);
        Emulator { log, keyboard, screen, index, at, unfed: Vec::new(), keyframe_at: at, latest, resized: false }
    }

    fn snapshots(&self) -> Snapshots {
        self.latest.subscribe()
    }

    fn run(&mut self) {
        while let Some(records) = self.log.next_look() {
            self.look(records);
        }
        self.show();
    }

    /// Looks at everything there is, if there is a reason to.
    #[cfg(test)]
    pub(crate) fn step(&mut self) {
        while self.log.is_look_due() {
            let Some(records) = self.log.next_look() else { return self.show() };
            self.look(records);
        }
    }

    fn look(&mut self, records: Vec<Record>) {
        let before = self.at + self.unfed.len() as u64;
        for record in records {
            self.index += 1;
            match record.body {
                Body::Output(bytes) => self.unfed.extend_from_slice(&bytes),
                Body::Resize(size) => {
                    self.feed();
                    self.screen.resize(size);
                    self.resized = true;
                }
                _ => {}
            }
        }
        self.feed();
        let answers = self.screen.take_answers();
        if !answers.is_empty() {
            self.keyboard.answer(answers);
        }
        let read = self.at + self.unfed.len() as u64;
        let unsettled = !self.unfed.is_empty() || !self.screen.is_ground();
        let asked = self.log.looked(self.index, read, unsettled);
        if self.screen.is_ground() {
            self.leave_keyframe();
            if asked {
                self.show();
            }
        }
        if read - before < IDLE_BYTES as u64 {
            self.unfed.shrink_to(IDLE_BYTES); // In a flood, to get the memory again would cost more than to draw.
        }
    }

    /// Feeds what is complete, in one piece.
    fn feed(&mut self) {
        if !self.screen.is_ground() {
            let fed = self.screen.feed_to_ground(&self.unfed).unwrap_or(self.unfed.len());
            self.fed(fed);
        }
        if self.screen.is_ground() {
            let complete = settled(&self.unfed);
            let given_up = self.unfed.len() - complete > MAX_HELD_BYTES;
            let now = if given_up { self.unfed.len() } else { complete };
            self.screen.feed(&self.unfed[..now]);
            self.fed(now);
        }
    }

    fn fed(&mut self, bytes: usize) {
        self.unfed.drain(..bytes);
        self.at += bytes as u64;
    }

    fn leave_keyframe(&mut self) {
        if self.at - self.keyframe_at >= KEYFRAME_EVERY_BYTES {
            self.keyframe_at = self.at;
            self.snapshot().keep(&self.log);
        }
    }

    fn show(&mut self) {
        let snapshot = self.snapshot();
        self.latest.send_replace(Some(Arc::new(snapshot)));
        self.resized = false;
        self.log.shown(self.index);
    }

    /// The screen as it is, drawn anew only when it may have changed.
    fn snapshot(&self) -> Snapshot {
        let latest = self.latest.borrow().clone();
        let data = match latest {
            Some(latest) if latest.at == self.at && !self.resized => latest.data.clone(),
            _ => self.screen.snapshot().into(),
        };
        Snapshot { index: self.index, at: self.at, lines: self.screen.lines(), size: self.screen.size(), data }
    }
}

/// Nothing waits for an emulator that is gone.
impl Drop for Emulator {
    fn drop(&mut self) {
        self.log.unfollow();
    }
}
