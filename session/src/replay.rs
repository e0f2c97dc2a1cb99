//! The seam of the replay guard: a session token is claimed by one nonce, once.

use std::time::Duration;

use async_trait::async_trait;

use crate::id::{AttachNonce, TokenId};

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody had claimed the token.
    First,
    /// The same nonce had: its answer was lost, and the runner decides whether it may still open a stream.
    Again,
    /// Another nonce had, or the guard cannot know that none did.
    Spent,
}

/// The guard cannot be asked. Callers refuse (503) and spend nothing.
#[derive(Debug, thiserror::Error)]
#[error("the replay guard is unavailable")]
pub struct Unavailable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Claims a token for a nonce, atomically over all callers. `life` is the token's whole life and the gateway's
    /// slack: as long as that, every other nonce gets `Spent`.
    async fn claim(&self, id: TokenId, nonce: AttachNonce, life: Duration) -> Result<Claim, Unavailable>;
}
