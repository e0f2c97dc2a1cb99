//! What is kept for those who have to know afterwards: who did what, from where, and how often what was refused.
//!
//! Entries are only ever added. Tokens, keys, terminal data and environment values are never in one.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    event::Cursor,
    id::Uid,
    names::names,
    principal::{Owner, Principal, Role, Source},
    store::StoreError,
};

/// Details are cut at this many bytes.
pub const MAX_DETAIL_BYTES: usize = 256;

/// What was done, or was to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    SessionCreate,
    /// A viewer showed a session token. One that comes back with a resume token is the same viewer.
    SessionAttach,
    SessionStop,
    SessionDelete,
    SessionExtend,
    /// An operator ended somebody's session.
    SessionKill,
    /// Somebody was not who they said, or did not say who they are.
    AuthRefuse,
    /// Somebody known lacked the role or the scope.
    AccessRefuse,
    RateLimit,
    QuotaSet,
    ShareCreate,
    ShareRevoke,
    ShareRedeem,
    LeaseGrant,
    LeaseRevoke,
    KeyCreate,
    KeyRotate,
    KeyRevoke,
    /// The keys that sign session tokens.
    SigningKeysRotate,
    GatewayDrain,
    /// Entries that came faster than they could be kept; their number is the count.
    AuditOverflow,
}

names! { Action, "action",
    SessionCreate = "session.create", SessionAttach = "session.attach", SessionStop = "session.stop",
    SessionDelete = "session.delete", SessionExtend = "session.extend", SessionKill = "session.kill",
    AuthRefuse = "auth.refuse", AccessRefuse = "access.refuse", RateLimit = "rate.limit", QuotaSet = "quota.set",
    ShareCreate = "share.create", ShareRevoke = "share.revoke", ShareRedeem = "share.redeem",
    LeaseGrant = "lease.grant", LeaseRevoke = "lease.revoke", KeyCreate = "key.create", KeyRotate = "key.rotate",
    KeyRevoke = "key.revoke", SigningKeysRotate = "keys.rotate", GatewayDrain = "gateway.drain",
    AuditOverflow = "audit.overflow",
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    Refused,
}

names! { Outcome, "outcome", Done = "done", Refused = "refused" }

/// Who did it, as far as an audit tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    pub owner: Owner,
    pub role: Role,
    /// How they proved who they are, such as `api-key`; `session-token` where the token was all that was shown.
    pub source: Cow<'static, str>,
}

impl From<&Principal> for Actor {
    fn from(principal: &Principal) -> Actor {
        let source = match principal.source {
            Source::LocalOwner => "local-owner",
            Source::ApiKey => "api-key",
            Source::IdToken => "id-token",
        };
        Actor { owner: principal.owner.clone(), role: principal.role, source: source.into() }
    }
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub action: Action,
    pub outcome: Outcome,
    /// None of strangers, and where many were counted together.
    pub by: Option<Actor>,
    /// None where it was not told, and where many were counted together.
    pub address: Option<IpAddr>,
    pub request_id: Option<Arc<str>>,
    pub session: Option<Uid>,
    /// The kind of a refusal, or a name of what was changed.
    pub detail: Cow<'static, str>,
    /// How often: 1 but for what is counted together.
    pub count: u64,
}

impl Entry {
    /// Something that was done.
    pub fn done(action: Action) -> Entry {
        Entry {
            action,
            outcome: Outcome::Done,
            by: None,
            address: None,
            request_id: None,
            session: None,
            detail: "".into(),
            count: 1,
        }
    }

    /// Something that was refused. `kind` is of a closed set: all refusals of one kind are counted together.
    pub fn refused(action: Action, kind: impl Into<Cow<'static, str>>) -> Entry {
        Entry { outcome: Outcome::Refused, detail: kind.into(), ..Entry::done(action) }
    }

    pub fn by(self, actor: impl Into<Actor>) -> Entry {
        Entry { by: Some(actor.into()), ..self }
    }

    pub fn on(self, session: Uid) -> Entry {
        Entry { session: Some(session), ..self }
    }

    pub fn from(self, address: Option<IpAddr>) -> Entry {
        Entry { address, ..self }
    }

    /// Names what was changed, in at most [`MAX_DETAIL_BYTES`].
    pub fn detail(self, detail: impl fmt::Display) -> Entry {
        let mut text = detail.to_string();
        text.truncate(text.floor_char_boundary(MAX_DETAIL_BYTES));
        Entry { detail: text.into(), ..self }
    }
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub cursor: Cursor,
    pub at: Timestamp,
    pub entry: Entry,
}

/// Which entries are asked for; all that is given must match.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    pub tenant: Option<String>,
    pub subject: Option<String>,
    pub session: Option<Uid>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds entries that happened so long ago, all of them or none.
    async fn append(&self, entries: &[(Duration, Entry)]) -> Result<(), StoreError>;

    /// At most `limit` entries behind the cursor, in an order that none joins late, as [`SystemStore::feed`] has it.
    ///
    /// [`SystemStore::feed`]: crate::store::SystemStore::feed
    async fn audit(&self, filter: &AuditFilter, after: Cursor, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// Forgets some of those that are older; how many.
    async fn forget_audit(&self, keep: Duration) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_told_by_its_name() {
        for action in Action::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert!(action.as_str().split('.').count() == 2, "{action}");
        }
        assert!("session".parse::<Action>().is_err());
    }

    #[test]
    fn a_long_detail_is_cut_between_characters() {
        let entry = Entry::done(Action::KeyCreate).detail("ä".repeat(200));
        assert_eq!(entry.detail, "ä".repeat(128));
        assert_eq!(Entry::done(Action::KeyCreate).detail("x".repeat(257)).detail.len(), MAX_DETAIL_BYTES);
    }
}
