//! Share links: whoever has one attaches to a session without being its owner, until it is used up, expires or is revoked.
//!
//! A link's secret is traded for an ordinary session token. What it opened, the token's viewer, carries the share's id
//! with it for as long as it comes back, so that revoking the share ends it wherever it is.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{InvalidId, Uid},
    principal::Owner,
    store::StoreError,
    token::Scope,
};

/// The most shares of one session, those included that are over.
pub const MAX_SHARES: u32 = 256;

/// The public part of a link: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShareId(u64);

impl ShareId {
    pub fn random() -> ShareId {
        ShareId(rand::random())
    }
}

impl fmt::Display for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ShareId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<ShareId, InvalidId> {
        let digits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(ShareId).ok_or(InvalidId { kind: "share", rule: "16 hexadecimal digits in lower case" })
    }
}

impl TryFrom<String> for ShareId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<ShareId, InvalidId> {
        text.parse()
    }
}

impl From<ShareId> for String {
    fn from(id: ShareId) -> String {
        id.to_string()
    }
}

/// Whose viewer it is, for people and for revoking. Travels in tokens and grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Nothing rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// None of the session's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareId>,
}

impl Who {
    pub fn is_owner(&self) -> bool {
        self.share.is_none()
    }

    /// Says no more than that it is the owner.
    pub fn is_plain(&self) -> bool {
        *self == Who::default()
    }
}

/// A link that is to be.
#[derive(Clone, Debug)]
pub struct NewShare {
    pub id: ShareId,
    /// Keyed hash of the secret part.
    pub hash: [u8; 32],
    pub scope: Scope,
    /// Of whom it is for.
    pub name: Option<String>,
    pub max_uses: u32,
    pub life: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub id: ShareId,
    pub scope: Scope,
    pub name: Option<String>,
    pub max_uses: u32,
    pub uses: u32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// What one use of a link is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    pub session: Uid,
    /// Of the session.
    pub owner: Owner,
    pub scope: Scope,
    pub name: Option<String>,
    /// In the store's clock.
    pub now: Timestamp,
}

/// The seam of shares. Callers have made sure that the session is theirs.
#[async_trait]
pub trait ShareStore: Send + Sync {
    /// `None` when the session has [`MAX_SHARES`], or is gone.
    async fn share(&self, session: Uid, new: NewShare) -> Result<Option<Share>, StoreError>;

    /// Of a session, the oldest first.
    async fn shares(&self, session: Uid) -> Result<Vec<Share>, StoreError>;

    /// `None` when there is no such share of the session. One that was revoked stays as it is.
    async fn revoke_share(&self, session: Uid, id: ShareId) -> Result<Option<Share>, StoreError>;

    /// Takes one use, atomically; `None`, and nothing changes, when the share is unknown, used up, expired or revoked,
    /// the hash another, or the session deleted.
    async fn redeem(&self, id: ShareId, hash: [u8; 32]) -> Result<Option<Redeemed>, StoreError>;

    /// The shares of a session that were revoked.
    async fn revoked_shares(&self, session: Uid) -> Result<Vec<ShareId>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_16_hexadecimal_digits() {
        let id = ShareId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0123456789abcde", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0"] {
            assert!(bad.parse::<ShareId>().is_err(), "{bad}");
        }
    }
}
