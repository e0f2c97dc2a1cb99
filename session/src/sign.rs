//! The seam of the signer of session tokens.

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;

use crate::{replay::Unavailable, token::Claims};

#[async_trait]
pub trait Signer: Send + Sync {
    /// The claims as a compact RS256 JWT with `kid`.
    async fn sign(&self, claims: &Claims) -> Result<String, Unavailable>;

    /// The public keys whose tokens may still live.
    fn keys(&self) -> JwkSet;
}
