//! The caller of a request.

use std::{marker::PhantomData, sync::Arc};

use axum::extract::FromRequestParts;
use http::{StatusCode, request::Parts};
use podling_daemon::{http::Peer, request};
use podling_session::{
    principal::{Owner, Principal, Reach, Role, Source},
    scopes::Scopes,
};

use super::{Door, refusal::Refusal};

/// A caller that may do what the handler is for. Handlers take it first, so that nobody unknown learns what else was
/// wrong, and name what they need by its type.
pub(super) struct Caller<N>(Principal, PhantomData<N>);

/// Looks at sessions.
pub(super) type Reads = Caller<Read>;
/// Makes, changes, ends or opens sessions.
pub(super) type Writes = Caller<Write>;
/// Manages the keys of its tenant.
pub(super) type Administers = Caller<Administer>;
/// Watches the whole deployment.
pub(super) type Monitors = Caller<Monitor>;

impl<N> Caller<N> {
    pub(super) fn principal(&self) -> &Principal {
        &self.0
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.0.owner
    }

    pub(super) fn reach(&self) -> Reach {
        self.0.reach()
    }
}

/// What a handler needs of its caller.
pub(super) trait Need: Send {
    const SCOPES: Scopes;

    fn is_role_enough(_: &Principal) -> bool {
        true
    }
}

pub(super) enum Read {}
pub(super) enum Write {}
pub(super) enum Administer {}
pub(super) enum Monitor {}

impl Need for Read {
    const SCOPES: Scopes = Scopes::READ;
}

impl Need for Write {
    const SCOPES: Scopes = Scopes::WRITE;
}

impl Need for Administer {
    const SCOPES: Scopes = Scopes::ADMIN;

    fn is_role_enough(principal: &Principal) -> bool {
        principal.role == Role::TenantAdmin
    }
}

impl Need for Monitor {
    const SCOPES: Scopes = Scopes::READ;

    fn is_role_enough(principal: &Principal) -> bool {
        principal.role == Role::Operator || principal.source == Source::LocalOwner
    }
}

/// # Errors
/// 403, when the role is not enough, or the credential is not for that.
fn admit<N: Need>(principal: &Principal) -> Result<(), Refusal> {
    if !N::is_role_enough(principal) {
        let detail = format!("Not for the role {}", principal.role.as_str());
        return Err(Refusal::new(StatusCode::FORBIDDEN, "role", detail));
    }
    if !principal.scopes.contains(N::SCOPES) {
        let detail = format!("The credential lacks the scope {}", N::SCOPES);
        return Err(Refusal::new(StatusCode::FORBIDDEN, "scope", detail));
    }
    Ok(())
}

impl<N: Need> FromRequestParts<Arc<Door>> for Caller<N> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Caller<N>, Refusal> {
        let peer = parts.extensions.get::<Peer>().copied();
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let identity = &door.core.identity;
        let principal = identity.principal(&parts.headers, peer, authority, door.local_owner()).await?;
        request::identify(&principal);
        admit::<N>(&principal)?;
        Ok(Caller(principal, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_needs_the_role_and_the_scope() {
        fn check<N: Need>(role: Role, scopes: Scopes, refused: Option<&str>) {
            let principal = Principal { role, scopes, source: Source::ApiKey, ..Principal::local_owner() };
            let problem = admit::<N>(&principal).err().map(|refusal| refusal.problem());
            let kind = problem.as_ref().map(|problem| problem.kind.trim_start_matches("urn:podling:problem:"));
            assert_eq!(kind, refused, "{role:?} {scopes}");
        }
        let all = Scopes::READ | Scopes::WRITE | Scopes::ADMIN;
        check::<Read>(Role::User, Scopes::READ, None);
        check::<Write>(Role::User, Scopes::READ, Some("scope"));
        check::<Read>(Role::User, Scopes::WRITE, Some("scope"));
        check::<Administer>(Role::User, all, Some("role"));
        check::<Administer>(Role::Operator, all, Some("role"));
        check::<Administer>(Role::TenantAdmin, Scopes::READ | Scopes::WRITE, Some("scope"));
        check::<Administer>(Role::TenantAdmin, all, None);
        check::<Monitor>(Role::TenantAdmin, all, Some("role"));
        check::<Monitor>(Role::Operator, Scopes::READ, None);
        assert!(admit::<Monitor>(&Principal::local_owner()).is_ok());
    }
}
