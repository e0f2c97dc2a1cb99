//! The caller of a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use podling_daemon::http::Peer;
use podling_session::principal::{Owner, Principal};

use super::{Door, refusal::Refusal};
use crate::identity::Identity;

/// Whose sessions a request is about. Handlers take it first, so that nobody unknown learns what else was wrong.
pub(super) struct Caller(pub(super) Principal);

impl Caller {
    pub(super) fn owner(&self) -> &Owner {
        &self.0.owner
    }
}

impl FromRequestParts<Arc<Door>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Caller, Refusal> {
        let core = &door.core;
        let identity = Identity { keys: core.principals.as_ref(), seal: &core.seal, local_owner: door.local_owner() };
        let peer = parts.extensions.get::<Peer>().copied();
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        Ok(Caller(identity.principal(&parts.headers, peer, authority).await?))
    }
}
