//! The seam of API keys, and of those who hold them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::{
    principal::{Owner, Role, Tenant},
    scopes::Scopes,
};

/// Keys on one page of a listing, at most.
pub const MAX_LISTED_KEYS: u32 = 1_000;

/// A key that is to be. The store never learns the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// The public part, by which it is found.
    pub id: String,
    /// Keyed hash of the secret part.
    pub hash: [u8; 32],
    pub owner: Owner,
    pub role: Role,
    pub scopes: Scopes,
    /// What people call it; may be empty.
    pub name: String,
    /// None of a key that does not expire.
    pub life: Option<Duration>,
}

/// An API key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    pub id: String,
    pub hash: [u8; 32],
    /// The secret before the last rotation, as long as it is good as well.
    pub old: Option<OldSecret>,
    pub owner: Owner,
    pub role: Role,
    pub scopes: Scopes,
    pub name: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// The secret that a rotation replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldSecret {
    pub hash: [u8; 32],
    pub until: Timestamp,
}

/// A page of keys, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    pub keys: Vec<KeyRow>,
    /// The id after which the next page begins; none on the last.
    pub next: Option<String>,
}

/// Where a method takes a tenant, keys of others are as if they were not; without one it is for operators.
#[async_trait]
pub trait PrincipalStore: Send + Sync {
    async fn key(&self, id: &str) -> Result<Option<KeyRow>, StoreError>;

    /// Adds the key if the store has none at all; `false` when it has.
    async fn add_first_key(&self, key: &NewKey) -> Result<bool, StoreError>;

    /// Adds the key. `None` when its tenant has `max` that are neither revoked nor expired.
    async fn add_key(&self, key: &NewKey, max: u32) -> Result<Option<KeyRow>, StoreError>;

    /// At most `limit` keys whose ids come after `after`: revoked and expired ones too, until they are pruned.
    async fn keys(&self, tenant: Option<&Tenant>, after: Option<&str>, limit: u32) -> Result<Roster, StoreError>;

    /// The key is good for nothing from now on. `None` when there is no such key; one that was revoked stays as it is.
    async fn revoke_key(&self, tenant: Option<&Tenant>, id: &str) -> Result<Option<KeyRow>, StoreError>;

    /// Gives the key another secret; the one before stays good for `overlap`, and the one before that ends now. `None` when
    /// there is no such key, or it is revoked or expired.
    async fn rotate_key(
        &self,
        tenant: Option<&Tenant>,
        id: &str,
        hash: [u8; 32],
        overlap: Duration,
    ) -> Result<Option<KeyRow>, StoreError>;

    /// Notes that these keys were used just now.
    async fn keys_used(&self, ids: &[String]) -> Result<(), StoreError>;
}
