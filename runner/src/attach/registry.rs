//! Who is attached. `podling_session::viewers` decides; this keeps the streams that it decides about.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use podling_session::{
    attendance::{Attendance, LeaseWish, Roll},
    capability::Grant,
    id::ViewerId,
    refusal::{Refusal, close},
    share::ShareId,
    token::Scope,
    viewers::{Accepted, Refused, StreamId, Viewers},
};
use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::terminal::Hand;

/// More than the controller ever admits; a bound of memory.
const MAX_VIEWERS: usize = 4096;
/// How long a new stream waits for the end of the one that it replaces. A connection that is dead takes no last word,
/// and no other byte either.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(1);

/// Changes of the lease that may wait to be told: people make them.
const LEASE_CHANGES: usize = 64;

/// Who alone may type from now on, and who wanted it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseChange {
    pub(crate) holder: Option<ViewerId>,
    pub(crate) by: ViewerId,
}

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The viewer is gone: there is nobody to tell.
    Left,
    Replaced,
    Draining,
    /// It typed more than its input credit.
    Overrun,
    /// Its share was revoked.
    Revoked,
}

impl Close {
    /// Code and reason for the last message.
    pub(crate) fn words(self) -> Option<(u16, &'static str)> {
        match self {
            Close::Left => None,
            Close::Replaced => Some((close::REPLACED, "another stream of this viewer took over")),
            Close::Draining => Some((close::DRAINING, "the runner ends")),
            Close::Revoked => Some((close::REVOKED, "the link was taken back")),
            Close::Overrun => Some((Refusal::BadRequest.close_code(), "input beyond credit")),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Registry {
    state: Mutex<State>,
    count: watch::Sender<u32>,
    roll: watch::Sender<Arc<Roll>>,
    leases: broadcast::Sender<LeaseChange>,
}

#[derive(Debug)]
struct State {
    viewers: Viewers,
    attendance: Attendance,
    /// Of what they let in nobody is left, and nobody comes any more.
    revoked: HashSet<ShareId>,
    streams: HashMap<StreamId, Handle>,
    draining: bool,
}

/// The registry's end of an open stream.
#[derive(Clone, Debug)]
struct Handle {
    close: watch::Sender<Option<Close>>,
    over: CancellationToken,
}

/// One open stream, shared by its two directions.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(super) stream: StreamId,
    pub(super) scope: Scope,
    id: ViewerId,
    handle: Handle,
    registry: Arc<Registry>,
    /// What the viewer was sent and what it took, as offsets.
    flow: Flow,
    /// What it typed, and what the program took of it.
    hand: Arc<Hand>,
    /// The newest range of output that it asked for.
    fetch: watch::Sender<Option<(u64, u64)>>,
}

#[derive(Debug, Default)]
struct Flow {
    told: AtomicU64,
    acked: watch::Sender<u64>,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        let state = State {
            viewers: Viewers::new(MAX_VIEWERS),
            attendance: Attendance::default(),
            revoked: HashSet::new(),
            streams: HashMap::new(),
            draining: false,
        };
        let (leases, _) = broadcast::channel(LEASE_CHANGES);
        Registry { state: Mutex::new(state), count: watch::Sender::new(0), roll: watch::Sender::default(), leases }
    }

    /// What becomes of the lease from now on.
    pub(crate) fn leases(&self) -> broadcast::Receiver<LeaseChange> {
        self.leases.subscribe()
    }

    /// How many viewers are attached.
    pub(crate) fn count(&self) -> watch::Receiver<u32> {
        self.count.subscribe()
    }

    /// Opens a stream; the one that it replaces has said its last word before this returns.
    pub(super) async fn admit(self: &Arc<Registry>, grant: &Grant, now: Timestamp) -> Result<Viewer, Refused> {
        let (viewer, replaced) = self.enter(grant, now)?;
        if let Some(replaced) = replaced {
            replaced.close.send_replace(Some(Close::Replaced));
            let _ = timeout(REPLACE_TIMEOUT, replaced.over.cancelled()).await; // See the constant.
        }
        Ok(viewer)
    }

    fn enter(self: &Arc<Registry>, grant: &Grant, now: Timestamp) -> Result<(Viewer, Option<Handle>), Refused> {
        let mut state = self.state();
        if grant.who.share.is_some_and(|share| state.revoked.contains(&share)) {
            return Err(Refused::Revoked);
        }
        let Accepted { stream, replaces } = state.viewers.admit(grant, now)?;
        state.attendance.arrive(grant.viewer, stream, grant.who.clone(), grant.scope);
        let close = state.draining.then_some(Close::Draining);
        let handle = Handle { close: watch::Sender::new(close), over: CancellationToken::new() };
        let replaced = replaces.and_then(|old| state.streams.remove(&old));
        state.streams.insert(stream, handle.clone());
        self.publish(&state);
        let viewer = Viewer {
            stream,
            scope: grant.scope,
            id: grant.viewer,
            handle,
            registry: Arc::clone(self),
            flow: Flow::default(),
            hand: Arc::default(),
            fetch: watch::Sender::new(None),
        };
        Ok((viewer, replaced))
    }

    /// Closes the viewers of these shares, for ever.
    pub(crate) fn revoke(&self, shares: impl IntoIterator<Item = ShareId>) {
        let mut state = self.state();
        for share in shares {
            state.revoked.insert(share);
            for stream in state.attendance.of_share(share) {
                if let Some(handle) = state.streams.get(&stream) {
                    handle.close(Close::Revoked);
                }
            }
        }
    }

    /// Closes every stream, those that are about to open included.
    pub(crate) fn drain(&self) {
        let mut state = self.state();
        state.draining = true;
        for handle in state.streams.values() {
            handle.close(Close::Draining);
        }
    }

    fn publish(&self, state: &State) {
        let open = u32::try_from(state.viewers.open()).unwrap_or(u32::MAX);
        self.count.send_if_modified(|count| std::mem::replace(count, open) != open);
        let roll = state.attendance.roll();
        self.roll.send_if_modified(|told| {
            let changed = **told != roll;
            if changed {
                *told = Arc::new(roll);
            }
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handle {
    /// The first reason counts.
    fn close(&self, reason: Close) {
        self.close.send_if_modified(|close| close.is_none() && close.replace(reason).is_none());
    }
}

/// Who may type at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Who alone may; none while all writers may.
    pub(super) holder: Option<StreamId>,
    /// Whether the viewer that asked may.
    pub(super) types: bool,
}

impl Viewer {
    pub(super) fn turn(&self) -> Turn {
        let holder = self.registry.state().attendance.holder();
        let types = self.scope == Scope::ReadWrite && holder.is_none_or(|holder| holder == self.stream);
        Turn { holder, types }
    }

    /// Its wish of the lease, as far as it has a say.
    pub(super) fn wish(&self, wish: LeaseWish) {
        let mut state = self.registry.state();
        let before = state.attendance.lease();
        if state.attendance.wish(self.id, wish) {
            self.registry.publish(&state);
        }
        let holder = state.attendance.lease();
        if holder != before {
            let _ = self.registry.leases.send(LeaseChange { holder, by: self.id }); // Nobody listens in some tests.
        }
    }

    /// Its number, by which the others know it.
    pub(super) fn number(&self) -> u32 {
        self.registry.state().attendance.number(self.id)
    }

    pub(super) fn roll(&self) -> watch::Receiver<Arc<Roll>> {
        self.registry.roll.subscribe()
    }

    /// The viewer holds the resume token of this generation.
    pub(super) fn confirm(&self, generation: u32) {
        self.registry.state().viewers.confirm(self.id, self.stream, generation);
    }

    /// The stream begins at this offset.
    pub(super) fn begin(&self, from: u64) -> watch::Receiver<u64> {
        self.told(from);
        self.flow.acked.send_replace(from);
        self.flow.acked.subscribe()
    }

    /// Output up to this offset was sent.
    pub(super) fn told(&self, offset: u64) {
        self.flow.told.store(offset, Ordering::Relaxed);
    }

    /// The viewer took everything below this offset. One that was never sent counts as what was.
    pub(super) fn ack(&self, offset: u64) {
        let offset = offset.min(self.flow.told.load(Ordering::Relaxed));
        self.flow.acked.send_if_modified(|acked| offset > *acked && std::mem::replace(acked, offset) < offset);
    }

    pub(super) fn hand(&self) -> &Arc<Hand> {
        &self.hand
    }

    /// The viewer asks for output once more; a question that is not answered yet is dropped.
    pub(super) fn fetch(&self, from: u64, to: u64) {
        self.fetch.send_replace(Some((from, to)));
    }

    pub(super) fn fetches(&self) -> watch::Receiver<Option<(u64, u64)>> {
        self.fetch.subscribe()
    }

    pub(super) fn leave(&self) {
        self.close(Close::Left);
    }

    /// The viewer does not keep to its input credit.
    pub(super) fn overrun(&self) {
        self.close(Close::Overrun);
    }

    fn close(&self, reason: Close) {
        self.handle.close(reason);
    }

    pub(super) fn closing(&self) -> watch::Receiver<Option<Close>> {
        self.handle.close.subscribe()
    }

    /// Returns when the stream is over.
    pub(super) async fn over(&self) {
        self.handle.over.cancelled().await;
    }

    pub(super) fn count(&self) -> watch::Receiver<u32> {
        self.registry.count()
    }

    /// Nothing is sent on this stream any more.
    pub(super) fn end(&self) {
        let mut state = self.registry.state();
        state.viewers.closed(self.id, self.stream);
        state.attendance.leave(self.id, self.stream);
        state.streams.remove(&self.stream);
        self.registry.publish(&state);
        drop(state);
        self.handle.over.cancel();
    }
}
