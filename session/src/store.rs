//! The seams of the stores. Every method is one transaction; a method that changes a session writes its event in it.
//!
//! All times are the store's: methods take durations and the store adds them to its own clock, so that no two clocks are
//! compared. User-facing methods carry whom they are for, in [`SessionStore`]; the few that take a bare uid are the
//! system's own, in [`SystemStore`].

mod keys;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    event::{Cursor, Event, Feed, Tidings},
    id::{Incarnation, LaunchName, RunnerId, SessionId, Uid},
    log::SegmentHash,
    phase::{End, Stage},
    principal::{Owner, Reach},
    session::{Isolation, Session},
    spec::{Spans, Spec},
};

pub use self::keys::{KeyRow, MAX_LISTED_KEYS, NewKey, OldSecret, PrincipalStore, Roster};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed, or the caller cannot know; trying again may help.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is stored makes no sense to this build.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}

/// A session that is to be.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub uid: Uid,
    pub id: SessionId,
    pub owner: Owner,
    pub spec: Spec,
    /// The session key and the secrets, sealed by the controller.
    pub sealed: Sealed,
    pub idempotency: Option<Idempotency>,
    /// The most sessions that the owner may hold, and the tenant.
    pub max_per_owner: u32,
    pub max_per_tenant: u32,
    /// The most bytes of logs of ended sessions that may be kept of the owner, and of the tenant.
    pub max_stored_bytes: u64,
    pub max_tenant_stored_bytes: u64,
    /// Warm runners that are on the line, the one to prefer first.
    pub warm: Vec<RunnerId>,
}

/// What the controller alone can open.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Kept until the row is pruned.
    pub key: Vec<u8>,
    /// Erased when the session ends.
    pub secrets: Option<Vec<u8>>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// The caller's promise that a repeated request is the same request; kept for 24 h.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// 1 to 255 visible ASCII characters.
    pub key: String,
    /// Of the request body.
    pub body_hash: [u8; 32],
}

/// The outcome of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    New(Session),
    /// New, and a warm runner is its own: it is Starting and nothing has to be launched.
    Claimed(Session, RunnerId),
    /// The same idempotency key and body made this one before.
    Existing(Session),
    /// A session of the tenant that is not deleted has this id.
    IdTaken,
    /// The idempotency key came with another body before.
    IdempotencyConflict,
    /// The owner or its tenant holds as many sessions as it may.
    QuotaExceeded {
        max: u32,
    },
    /// As many bytes of logs are kept of the owner or its tenant as may be.
    StorageExceeded {
        max_bytes: u64,
    },
}

/// What became of other deadlines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is returned")]
pub enum Extended {
    /// The session as it is now.
    Changed(Session),
    Ended,
    NotFound,
}

/// Which of the sessions within reach to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A phase's name.
    pub phase: Option<String>,
    /// All must match.
    pub labels: BTreeMap<String, String>,
}

/// One page of a listing, the youngest first.
#[derive(Clone, Debug)]
pub struct Page {
    pub sessions: Vec<Session>,
    /// The uid after which the next page begins; none on the last.
    pub next: Option<Uid>,
}

#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Writes Pending with its event, raises the quota counters, and claims the first of the `warm` runners that serves
    /// nobody, by one compare-and-set; or changes nothing. Outlives this process at once, a power failure after
    /// [`SessionStore::flush`].
    async fn create(&self, new: NewSession) -> Result<Created, StoreError>;

    /// Returns when no power failure undoes what this store has answered before.
    async fn flush(&self) -> Result<(), StoreError>;

    /// By id or uid. Deleted sessions and those out of reach are not found.
    async fn get(&self, reach: &Reach, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// At most `limit` sessions older than `after`.
    async fn list(&self, reach: &Reach, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, StoreError>;

    /// Ends the session as [`SystemStore::end`] does. The session as it is now, or `None` when not found.
    async fn stop(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError>;

    /// Gives a session that has not ended other spans; its deadline counts from when it became Running.
    async fn extend(&self, reach: &Reach, id: &SessionId, spans: Spans) -> Result<Extended, StoreError>;

    /// Ends the session if it has not ended, hides it and frees its id. The session as it was hidden, or `None`.
    async fn delete(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError>;

    /// At most `limit` events of the sessions within reach after the cursor, or of one of them, in the order of
    /// [`SystemStore::feed`]; without a cursor none but the place where those begin that happen from now on. Deleted
    /// sessions tell of theirs for as long as they are kept.
    async fn tidings(
        &self,
        reach: &Reach,
        of: Option<Uid>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Tidings, StoreError>;
}

/// A runner's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerRow {
    pub id: RunnerId,
    /// What the launcher calls it.
    pub launch: LaunchName,
    /// None of a warm runner that waits to be claimed.
    pub life: Option<Incarnation>,
    /// SHA-256 of the certificate of the first Register.
    pub certificate_hash: Option<[u8; 32]>,
    pub certificate: Vec<u8>,
    /// Once used, Register is refused.
    pub credential_used: bool,
    /// Where it serves Attach: `unix:/path` or `https://host:port`.
    pub address: Option<String>,
    pub registered_at: Option<Timestamp>,
    /// The last heartbeat, or the claim.
    pub seen_at: Option<Timestamp>,
}

/// What a runner tells with each heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// How long ago there was input, output, a run or chat.
    pub idle_for: Duration,
    pub viewers: u32,
    /// The end of the terminal log.
    pub log_end: u64,
}

/// A sealed segment of a terminal log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    pub sequence: u64,
    pub first_offset: u64,
    pub end_offset: u64,
    pub bytes: u64,
    pub hash: SegmentHash,
}

/// Work that is due on one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Pending, or Starting without a runner: launch one.
    Launch(Session),
    /// Ended and held: stop its runner, settle its log, remove what is left, and release it.
    Release(Session),
}

impl Work {
    pub fn session(&self) -> &Session {
        match self {
            Work::Launch(session) | Work::Release(session) => session,
        }
    }
}

/// Names one claim of work: whoever has lost its lease cannot give back another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub i64);

/// Work, leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub work: Work,
    pub token: LeaseToken,
}

/// A held session, and what the launcher calls its runner, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub life: Incarnation,
    pub launch: LaunchName,
    /// The store has the runner's row: whoever lists the launches from now on finds its own.
    pub launched: bool,
}

/// A place in the pool whose runner nobody has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub id: RunnerId,
    pub launch: LaunchName,
    /// How long ago the place was made.
    pub age: Duration,
    pub registered: bool,
}

/// What a sweep changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions that a deadline ended, with their reason.
    pub ended: Vec<(Uid, End)>,
    /// Rows that were pruned; their blobs are to be removed by the caller.
    pub pruned: Vec<Session>,
}

#[async_trait]
pub trait SystemStore: Send + Sync {
    /// Answers when the store does.
    async fn ping(&self) -> Result<Timestamp, StoreError>;

    /// By uid, deleted ones too.
    async fn find(&self, uid: Uid) -> Result<Option<Session>, StoreError>;

    async fn sealed(&self, uid: Uid) -> Result<Option<Sealed>, StoreError>;

    /// Leases the session whose work is due first: nobody else gets it for `lease`. Wakes again when the lease runs out.
    async fn claim_work(&self, lease: Duration) -> Result<Option<Claim>, StoreError>;

    /// Gives the lease back; work that is still open is due again after `again`. A lease that was lost stays another's.
    async fn yield_work(&self, uid: Uid, token: LeaseToken, again: Duration) -> Result<(), StoreError>;

    /// Whether `holder` does, for `span` from now, what one controller does for all. Asked again in time it stays so.
    async fn lead(&self, name: &str, holder: &str, span: Duration) -> Result<bool, StoreError>;

    /// Gives up what [`SystemStore::lead`] gave: the next who asks has it.
    async fn resign(&self, name: &str, holder: &str) -> Result<(), StoreError>;

    /// Pending becomes Starting{scheduling} and the runner's row is written, under the launch name of the incarnation.
    /// A session that was parted from a runner gets this one. `false` when it needs none any more.
    async fn launched(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError>;

    async fn runner(&self, id: RunnerId) -> Result<Option<RunnerRow>, StoreError>;

    async fn runner_of(&self, life: Incarnation) -> Result<Option<RunnerRow>, StoreError>;

    async fn runner_at(&self, launch: &LaunchName) -> Result<Option<RunnerRow>, StoreError>;

    /// Adds a runner that waits to be claimed; it has not been launched yet. The same again changes nothing.
    async fn pool(&self, id: RunnerId, launch: &LaunchName) -> Result<(), StoreError>;

    /// The runners of the pool that nobody has claimed, the oldest first.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Takes a runner out of the pool. `false` when it was claimed first, or is not there.
    async fn retire(&self, id: RunnerId) -> Result<bool, StoreError>;

    /// Parts a session from the runner that was claimed for it and did not begin: its launch is due. `false` when the
    /// session has come further, or has another runner. Whether it began is for the caller to know.
    async fn forsake(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError>;

    /// Binds certificate and address to the runner. `false` when another certificate is bound, or the credential used.
    async fn register(&self, id: RunnerId, certificate: &[u8], address: &str) -> Result<bool, StoreError>;

    /// The runner showed its credential: from now on Register is refused.
    async fn credential_used(&self, id: RunnerId) -> Result<(), StoreError>;

    /// Moves Starting forward. `false` when the session is not in an earlier stage of this incarnation.
    async fn stage(&self, life: Incarnation, stage: Stage) -> Result<bool, StoreError>;

    /// Starting becomes Running; the deadline counts from here. `false` when it was not Starting in this incarnation.
    async fn running(&self, life: Incarnation, isolation: Isolation) -> Result<bool, StoreError>;

    /// Ends the session, erases its secrets, and makes its release due. `false` when it had ended.
    async fn end(&self, life: Incarnation, end: &End) -> Result<bool, StoreError>;

    /// Where the log of an incarnation ended.
    async fn log_end(&self, life: Incarnation, end: u64) -> Result<(), StoreError>;

    /// Heartbeats, at most one of each: activity, viewers and log end of their sessions. Those whose session has ended
    /// or lives on in another incarnation, whereupon their runners are told to stop.
    async fn beats(&self, beats: &[(Incarnation, Beat)]) -> Result<Vec<Incarnation>, StoreError>;

    /// Adds a segment; the same segment again changes nothing. `first_kept` is the first offset that is still kept.
    async fn add_segment(&self, life: Incarnation, segment: SegmentRow, first_kept: u64) -> Result<(), StoreError>;

    /// In ascending sequence.
    async fn segments(&self, life: Incarnation) -> Result<Vec<SegmentRow>, StoreError>;

    /// Ended and held becomes released, and the quota counters go down. `false` when it was released before.
    async fn release(&self, life: Incarnation) -> Result<bool, StoreError>;

    /// Held sessions in the incarnation they are in.
    async fn held(&self) -> Result<Vec<Held>, StoreError>;

    /// Ends the sessions whose start, active or idle deadline has passed, and those whose runner fell silent for
    /// `silence`; prunes released rows, events, runners and segments `keep_ended` after their end (deleted ones at
    /// once) and idempotency keys after 24 h.
    async fn sweep(&self, keep_ended: Duration, silence: Duration) -> Result<Swept, StoreError>;

    /// Appends an event of its own, such as a gap in the log.
    async fn note(&self, uid: Uid, kind: &str, detail: &str) -> Result<(), StoreError>;

    /// Events of a session after `sequence`.
    async fn events(&self, uid: Uid, after: u64) -> Result<Vec<Event>, StoreError>;

    /// Events of all sessions after the cursor, in an order that no event joins late: those of transactions that are
    /// older than every one still running. At most `limit`.
    async fn feed(&self, after: Cursor, limit: u32) -> Result<Feed, StoreError>;

    /// Returns when work may be due or a session may have changed since the call, polled or not: whoever calls before
    /// a look misses nothing. A hint: callers poll as well.
    async fn changed(&self);
}
