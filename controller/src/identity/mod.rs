//! Who is calling: an ID token, an API key, or the owner of this machine. Session tokens, resume tokens and grants are capabilities
//! and identify nobody, so here they are like any other wrong key.

mod accounts;
mod api_key;
pub mod args;
mod bootstrap;
mod claims;
mod emulator;
mod fetch;
mod issuer;
mod issuers;
mod key_set;
mod local_owner;
mod rules;
mod token;
mod uses;

use std::sync::Arc;

use http::{HeaderMap, header};
use podling_daemon::http::Peer;
use podling_session::{
    principal::Principal,
    store::{PrincipalStore, StoreError},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    api_key::ApiKey,
    bootstrap::{BootstrapError, bootstrap_key},
    issuers::Issuers,
    local_owner::{LocalOwner, Visit},
    rules::Wrong,
};
use self::{api_key::NotAKey, uses::Uses};
use crate::{clock::StoreClock, core::Core, seal::Seal};

/// Why a caller is not served.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("no credential was presented")]
    Missing,
    #[error("the credential is not a valid key")]
    Invalid,
    /// Told only to who has its secret.
    #[error("the key has expired, was revoked, or has another secret now")]
    Over,
    #[error("the ID token names nobody: {0}")]
    Token(#[from] Wrong),
    /// Nobody can be told from anybody.
    #[error("the keys of ID tokens cannot be had")]
    Unavailable,
    #[error("the host is not a loopback name of this server")]
    ForeignHost,
    #[error("the origin is not this server's own")]
    ForeignOrigin,
    #[error("the store of principals failed")]
    Store(#[from] StoreError),
}

/// What decides who a caller is.
pub struct Identity {
    keys: Arc<dyn PrincipalStore>,
    seal: Arc<Seal>,
    /// Keys expire by the store's time.
    clock: Arc<StoreClock>,
    uses: Uses,
    issuers: Issuers,
}

impl Identity {
    pub fn new(keys: Arc<dyn PrincipalStore>, seal: Arc<Seal>, clock: Arc<StoreClock>) -> Identity {
        Identity { keys, seal, clock, uses: Uses::default(), issuers: Issuers::default() }
    }

    /// The same, which believes these issuers too.
    #[must_use]
    pub fn trusting(self, issuers: Issuers) -> Identity {
        Identity { issuers, ..self }
    }

    /// The caller of a request, who is `owner` when it presents nothing and sits at this machine. Whoever presents a
    /// credential is judged by it alone: a wrong key from this very machine is a wrong key.
    pub async fn principal(
        &self,
        headers: &HeaderMap,
        peer: Option<Peer>,
        authority: Option<&str>,
        owner: Option<LocalOwner>,
    ) -> Result<Principal, Refused> {
        match (presented(headers)?, owner) {
            (Some(credential), _) => self.bearer(credential).await,
            (None, Some(owner)) => owner.admit(&Visit::of(headers, peer, authority)),
            (None, None) => Err(Refused::Missing),
        }
    }

    /// Whose a credential is.
    pub async fn bearer(&self, credential: &str) -> Result<Principal, Refused> {
        if !api_key::is_meant(credential) {
            return self.issuers.principal(credential, self.clock.now()).await;
        }
        let key: ApiKey = credential.parse().map_err(|NotAKey| Refused::Invalid)?;
        let row = self.keys.key(key.id()).await?;
        let principal = api_key::check(&key, row, &self.seal, self.clock.now())?;
        self.uses.note(key.id());
        Ok(principal)
    }
}

/// Notes which keys are used, and keeps those of issuers fresh, until `stop`.
pub async fn run(core: Core, stop: CancellationToken) {
    tokio::join!(uses::run(&core, &stop), core.identity.issuers.tend(&stop));
}

/// The one credential of a request. Two are refused, because a proxy may have checked the other one.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let text = value.to_str().map_err(|_| Refused::Invalid)?;
        let (scheme, key) = text.split_once(' ').ok_or(Refused::Missing)?;
        if scheme.eq_ignore_ascii_case("bearer") { Ok(key.trim()) } else { Err(Refused::Missing) }
    });
    let plain = headers.get_all("x-api-key").iter().map(|value| value.to_str().map_err(|_| Refused::Invalid));
    let mut all = bearers.chain(plain);
    let first = all.next().transpose()?;
    if all.next().is_some() { Err(Refused::Invalid) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_presents_one_credential_or_none() {
        let check = |pairs: &[(&'static str, &'static str)], expected: Result<Option<&str>, &str>| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
                .collect();
            assert_eq!(
                presented(&headers).map_err(|error| error.to_string()),
                expected.map_err(str::to_owned),
                "{pairs:?}"
            );
        };
        let (missing, invalid) = ("no credential was presented", "the credential is not a valid key");
        check(&[], Ok(None));
        check(&[("authorization", "Bearer k")], Ok(Some("k")));
        check(&[("authorization", "bearer k")], Ok(Some("k")));
        check(&[("x-api-key", "k")], Ok(Some("k")));
        check(&[("authorization", "Basic k")], Err(missing));
        check(&[("authorization", "k")], Err(missing));
        check(&[("authorization", "Bearer k"), ("x-api-key", "k")], Err(invalid));
        check(&[("authorization", "Bearer k"), ("authorization", "Bearer l")], Err(invalid));
    }
}
