//! The seam of the signer of session tokens: a ring of keys, of which one signs at a time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;

pub use crate::replay::Unavailable;
use crate::token::Claims;

/// The newest key of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextKey {
    /// What tokens call it in their header.
    pub kid: String,
    /// From then on it signs: everybody has fetched its public half by then.
    pub signs_at: Timestamp,
}

#[async_trait]
pub trait Signer: Send + Sync {
    /// The claims as a compact RS256 JWT with `kid`.
    async fn sign(&self, claims: &Claims) -> Result<String, Unavailable>;

    /// The public keys: of the key that signs, of those before it whose tokens may still live, and of one that is to sign
    /// next.
    fn keys(&self) -> Arc<JwkSet>;

    /// How long others may keep [`Signer::keys`]. A key is in it at least three times as long before it signs.
    fn keys_life(&self) -> Duration;

    /// Looks again at the keys, which others of the same ring may have changed. Called as often as callers like: what was
    /// looked at a second ago is not looked at again.
    async fn refresh(&self) -> Result<(), Unavailable>;

    /// Makes the next key, which is published at once and signs later. While one waits for its turn, none is made, and
    /// that one is the answer.
    async fn rotate(&self) -> Result<NextKey, Unavailable>;

    /// When the newest key was made.
    fn newest_made_at(&self) -> Timestamp;
}
