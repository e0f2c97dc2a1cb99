//! A stage without a program, and viewers with a terminal of their own.

use std::{collections::VecDeque, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use podling_proto::terminal::{
    AttachResponse, Closed, Fetched, Mode, Open, Opened, Snapshot, WindowSize as Size, attach_response::Message,
};
use podling_screen::Screen;
use podling_session::{
    capability::{Grant, GrantKey},
    id::{AttachNonce, Uid, ViewerId},
    log::Body,
    share::Who,
    size::WindowSize,
    token::Scope,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tonic::Status;

use super::super::{Pace, Registry, Stage, begin, outbound::Outbound, registry::Viewer};
use crate::{
    activity::Activity,
    terminal::{Emulator, Follower, Input, Log, Window, keyboard},
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);

pub(super) struct Stand {
    pub(super) log: Arc<Log>,
    pub(super) stage: Arc<Stage>,
    pub(super) emulator: Emulator,
    pub(super) registry: Arc<Registry>,
    _input: Input,
    /// What a terminal shows that was there from the beginning.
    pub(super) screen: Screen,
    pub(super) output: Vec<u8>,
    _directory: tempfile::TempDir,
}

impl Stand {
    pub(super) fn new() -> Stand {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Arc::new(Log::new(directory.path().to_owned(), u64::MAX, watch::Sender::default()));
        let (keyboard, input) = keyboard();
        let (follower, emulator) = Follower::by_hand(Arc::clone(&log), keyboard.clone());
        let stage = Arc::new(Stage {
            session: Uid::new(),
            grants: GrantKey::from_bytes([1; 32]),
            window: Window::new(Arc::clone(&log)),
            log: Arc::clone(&log),
            follower,
            keyboard,
            activity: Arc::new(Activity::new()),
        });
        let (registry, screen) = (Arc::new(Registry::new()), Screen::new(WindowSize::DEFAULT));
        Stand { log, stage, emulator, registry, _input: input, screen, output: Vec::new(), _directory: directory }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.log.note(Body::Output(Bytes::copy_from_slice(bytes)));
        self.screen.feed(bytes);
        self.output.extend_from_slice(bytes);
    }

    pub(super) fn resize(&mut self, size: WindowSize) {
        self.log.note(Body::Resize(size));
        self.screen.resize(size);
    }

    /// Attaches a viewer; one that comes back goes on with what it has.
    pub(super) async fn attach(&mut self, mode: Mode, mut watcher: Watcher) -> Result<Watcher, Status> {
        let pace = super::super::pace(mode)?;
        // A screen that did not come takes the jump to it back.
        if watcher.owed.take().is_some() {
            watcher.told = watcher.skipped.pop().map(|(from, _)| from);
        }
        let open = Open { from: watcher.told, history_lines: watcher.history, ..Open::default() };
        let now = Timestamp::UNIX_EPOCH;
        let grant = Grant {
            session: self.stage.session,
            viewer: watcher.id,
            nonce: watcher.nonce,
            generation: 0,
            issued_at: now,
            scope: Scope::ReadWrite,
            who: Who::default(),
        };
        let viewer = Arc::new(self.registry.admit(&grant, now).await.expect("a place"));
        begin::check(&self.stage, &open, pace)?;
        let stepping = async { self.emulator.step() };
        let (beginning, ()) = tokio::join!(begin::begin(&self.stage, &open, pace), stepping);
        let outbound = Outbound::new(Arc::clone(&viewer), Arc::clone(&self.stage), beginning?, pace);
        watcher.pace = Some(pace);
        watcher.stream = Some(Box::pin(outbound.into_stream()));
        watcher.viewer = Some(viewer);
        watcher.exit = false;
        watcher.opened = None;
        Ok(watcher)
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<AttachResponse, Status>> + Send>>;

/// A viewer that checks what it is told.
pub(super) struct Watcher {
    id: ViewerId,
    nonce: AttachNonce,
    pub(super) history: u32,
    pace: Option<Pace>,
    stream: Option<Responses>,
    pub(super) viewer: Option<Arc<Viewer>>,
    pub(super) opened: Option<Opened>,
    /// The end of the output that it was told.
    pub(super) told: Option<u64>,
    pub(super) screen: Screen,
    /// The output with its offset, in pieces between which it skipped.
    pub(super) runs: Vec<(u64, Vec<u8>)>,
    pub(super) skipped: Vec<(u64, u64)>,
    pub(super) snapshots: Vec<u64>,
    pub(super) stages: Vec<String>,
    pub(super) fetched: Vec<Fetched>,
    pub(super) taken: u64,
    pub(super) closed: Option<Closed>,
    pub(super) exit: bool,
    /// After `skipped` comes the screen.
    owed: Option<u64>,
    /// The ends of messages that are not drawn, and when all of it is.
    undrawn: VecDeque<u64>,
    busy_until: Instant,
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher {
            id: ViewerId::new(),
            nonce: AttachNonce::random(),
            history: 0,
            pace: None,
            stream: None,
            viewer: None,
            opened: None,
            told: None,
            screen: Screen::new(WindowSize::DEFAULT),
            runs: Vec::new(),
            skipped: Vec::new(),
            snapshots: Vec::new(),
            stages: Vec::new(),
            fetched: Vec::new(),
            taken: 0,
            closed: None,
            exit: false,
            owed: None,
            undrawn: VecDeque::new(),
            busy_until: Instant::now(),
        }
    }

    pub(super) fn with_history(history: u32) -> Watcher {
        Watcher { history, ..Watcher::new() }
    }

    /// Acks all that it was told.
    pub(super) fn ack(&self) {
        if let (Some(viewer), Some(told)) = (&self.viewer, self.told) {
            viewer.ack(told);
        }
    }

    /// The connection is gone.
    pub(super) fn cut(&mut self) {
        (self.stream, self.viewer) = (None, None);
        self.undrawn.clear();
    }

    /// Receives one message, if one comes within the time.
    pub(super) async fn receive(&mut self, patience: Duration) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let Ok(Some(response)) = timeout(patience, stream.next()).await else { return false };
        self.hear(response.expect("no failure").message.expect("a message"));
        true
    }

    /// Receives until nothing comes for so long; returns how much output that was.
    pub(super) async fn drain(&mut self, patience: Duration) -> usize {
        let before = self.received();
        while self.receive(patience).await {}
        self.received() - before
    }

    /// Takes what comes from the connection, and draws and acks so many bytes a second of it, for so long.
    pub(super) async fn draw(&mut self, emulator: &mut Emulator, rate: f64, time: Duration) {
        let until = Instant::now() + time;
        self.undrawn.extend(self.told); // What was received and not acked.
        while Instant::now() < until && !self.exit {
            emulator.step();
            let before = self.received();
            while self.receive(Duration::ZERO).await {
                self.undrawn.extend(self.told);
            }
            let drawing = Duration::from_secs_f64((self.received() - before) as f64 / rate);
            self.busy_until = self.busy_until.max(Instant::now()) + drawing;
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.ack_drawn(rate);
        }
    }

    /// Acks what is drawn by now.
    fn ack_drawn(&mut self, rate: f64) {
        let left = self.busy_until.saturating_duration_since(Instant::now()).as_secs_f64() * rate;
        let told = self.told.unwrap_or_default();
        while let Some(offset) = self.undrawn.pop_front_if(|offset| (told - *offset) as f64 >= left) {
            self.viewer.as_ref().expect("attached").ack(offset);
        }
    }

    pub(super) fn received(&self) -> usize {
        self.runs.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn hear(&mut self, message: Message) {
        assert!(!self.exit && self.closed.is_none(), "nothing follows the last message: {message:?}");
        match message {
            Message::Opened(opened) => {
                self.resize(opened.size.expect("a size"));
                self.told.get_or_insert(opened.from);
                assert_eq!(self.told, Some(opened.from));
                self.opened = Some(opened);
            }
            Message::Roll(_) => {}
            Message::Output(output) => self.output(output.offset, output.replay, &output.data),
            Message::Snapshot(snapshot) => self.snapshot(&snapshot),
            Message::Skipped(skipped) => {
                assert_eq!((Some(skipped.from), self.pace), (self.told, Some(Pace::Live)));
                assert!(skipped.to > skipped.from && self.owed.is_none());
                self.skipped.push((skipped.from, skipped.to));
                (self.told, self.owed) = (Some(skipped.to), Some(skipped.to));
            }
            Message::Resized(size) => {
                assert_ne!(self.pace, Some(Pace::Plain), "a plain viewer knows no sizes");
                self.resize(size);
            }
            Message::Stage(stage) => self.stages.push(stage.name),
            Message::Fetched(fetched) => self.fetched.push(fetched),
            Message::InputTaken(total) => self.taken = total,
            Message::Closed(closed) => self.closed = Some(closed),
            Message::Exit(_) => self.exit = true,
            Message::Viewers(_) | Message::Mark(_) => {}
        }
    }

    fn output(&mut self, offset: u64, replay: bool, data: &[u8]) {
        assert_eq!((Some(offset), self.owed), (self.told, None), "nothing is missing and nothing doubled");
        let end = offset + data.len() as u64;
        assert_eq!(replay, end <= self.opened.as_ref().expect("it is open").head_offset);
        self.screen.feed(data);
        self.told = Some(end);
        match self.runs.last_mut() {
            Some((from, run)) if *from + run.len() as u64 == offset => run.extend_from_slice(data),
            _ => self.runs.push((offset, data.to_vec())),
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        assert_ne!(self.pace, Some(Pace::Lossless));
        let begins = self.told == self.opened.as_ref().map(|opened| opened.from);
        assert!(begins || self.told == Some(snapshot.offset), "{:?} {}", self.told, snapshot.offset);
        (self.told, self.owed) = (Some(snapshot.offset), None);
        self.resize(snapshot.size.expect("a size"));
        self.screen.feed(&snapshot.data);
        self.snapshots.push(snapshot.offset);
    }

    fn resize(&mut self, size: Size) {
        self.screen.resize(WindowSize::try_from(size).expect("a fair size"));
    }
}
