//! A session as its store keeps it.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    id::{Incarnation, SessionId, Uid},
    phase::Phase,
    principal::Owner,
    spec::Spec,
};

/// How much of the isolation that DESIGN names the runner reached; in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Nothing: the command runs as the user who started Podling.
    None,
    /// No namespaces: the pod is the sandbox; Landlock and seccomp within it.
    Minimal,
    /// Namespaces and seccomp, without limits or without a user of its own.
    Reduced,
    /// Namespaces, seccomp, cgroup limits, a user of its own.
    Full,
}

impl Isolation {
    pub const ALL: [Isolation; 4] = [Isolation::None, Isolation::Minimal, Isolation::Reduced, Isolation::Full];

    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::None => "none",
            Isolation::Minimal => "minimal",
            Isolation::Reduced => "reduced",
            Isolation::Full => "full",
        }
    }
}

impl std::str::FromStr for Isolation {
    type Err = crate::id::InvalidId;

    fn from_str(text: &str) -> Result<Isolation, Self::Err> {
        let known = Isolation::ALL.into_iter().find(|level| level.as_str() == text);
        known.ok_or(crate::id::InvalidId { kind: "isolation", rule: "none, minimal, reduced or full" })
    }
}

/// Whether runner, log and workspace of an incarnation are dealt with. Phase says what became of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    Held,
    Released,
}

/// Which bytes of the terminal log are kept: offsets `first..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRange {
    pub first: u64,
    pub end: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub uid: Uid,
    pub id: SessionId,
    pub owner: Owner,
    pub incarnation: u32,
    pub phase: Phase,
    pub release: Release,
    pub spec: Spec,
    pub created_at: Timestamp,
    /// When it became Running.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Set by DELETE: hidden from its owner while it is released.
    pub deleted_at: Option<Timestamp>,
    pub last_activity_at: Timestamp,
    pub isolation: Option<Isolation>,
    pub log: LogRange,
    pub viewers: u32,
}

impl Session {
    pub fn life(&self) -> Incarnation {
        Incarnation { uid: self.uid, number: self.incarnation }
    }

    /// When this session ends at the latest: its start deadline until it runs, its active deadline from then on; once
    /// it has ended, when its row is pruned.
    pub fn expires_at(&self, keep_ended: Duration) -> Timestamp {
        let (from, span) = match (&self.phase, self.started_at, self.ended_at) {
            (Phase::Ended(_), _, Some(ended)) => (ended, keep_ended),
            (_, Some(started), _) => (started, self.spec.deadline),
            _ => (self.created_at, self.spec.start_deadline + self.spec.deadline),
        };
        from.checked_add(span).unwrap_or(Timestamp::MAX)
    }
}
