//! Whose ID tokens are believed.

use jiff::Timestamp;
use podling_session::principal::{Principal, Role};
use podling_session::scopes::Scopes;
use tokio_util::sync::CancellationToken;

use super::{Refused, args::OperatorRule, claims::Claims, emulator::Emulator, issuer::Issuer, token::Parts};

/// All issuers, each by its name. None where the operator chose none.
#[derive(Default)]
pub struct Issuers {
    pub(super) signed: Vec<Issuer>,
    pub(super) emulator: Option<Emulator>,
    pub(super) operators: Option<OperatorRule>,
}

impl Issuers {
    /// Whom a token names. One of nobody's whom we know is like any other wrong key.
    pub(super) async fn principal(&self, text: &str, now: Timestamp) -> Result<Principal, Refused> {
        let token = Parts::of(text).ok_or(Refused::Invalid)?;
        let name = token.claims.text("iss").ok_or(Refused::Invalid)?;
        if let Some(emulator) = self.emulator.as_ref().filter(|emulator| emulator.name == name) {
            return emulator.principal(&token, now);
        }
        let issuer = self.signed.iter().find(|issuer| issuer.name == name).ok_or(Refused::Invalid)?;
        let (principal, claims) = issuer.principal(&token, now).await?;
        Ok(self.promoted(principal, name, &claims))
    }

    /// An operator, if the one rule for operators says so.
    fn promoted(&self, principal: Principal, issuer: &str, claims: &Claims) -> Principal {
        let says = |rule: &OperatorRule| rule.issuer == issuer && claims.says(&rule.claim, &rule.value);
        if !self.operators.as_ref().is_some_and(says) {
            return principal;
        }
        Principal { role: Role::Operator, scopes: Scopes::of(Role::Operator), ..principal }
    }

    /// Keeps the keys of all fresh, until `stop`.
    pub(super) async fn tend(&self, stop: &CancellationToken) {
        futures_util::future::join_all(self.signed.iter().map(|issuer| issuer.keys.tend(stop))).await;
    }
}
