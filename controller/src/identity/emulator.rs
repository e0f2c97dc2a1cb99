//! Tokens of the Firebase Auth emulator: they are signed by nobody, and anybody can make one.
//!
//! That is why this is no [`Issuer`](super::issuer::Issuer), and exists for projects only that Firebase has none of: those
//! whose names begin with `demo-` (<https://firebase.google.com/docs/emulator-suite/connect_auth>).

use jiff::Timestamp;
use podling_session::principal::Principal;
use tracing::warn;

use super::{
    Refused,
    issuer::firebase_name,
    rules::{self, Kind, Wrong},
    token::Parts,
};

const DEMO: &str = "demo-";

pub(super) struct Emulator {
    pub(super) name: String,
    project: String,
}

/// The emulator is for projects that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "FIREBASE_AUTH_EMULATOR_HOST is set: the Firebase project must begin with {DEMO}, as whoever calls makes its tokens"
)]
pub(super) struct NotADemo;

impl Emulator {
    pub(super) fn of(project: &str, host: &str) -> Result<Emulator, NotADemo> {
        if !project.starts_with(DEMO) {
            return Err(NotADemo);
        }
        warn!(
            "ID TOKENS OF {project} ARE NOT SIGNED: the Firebase Auth emulator at {host} is trusted, and so is everybody"
        );
        Ok(Emulator { name: firebase_name(project), project: project.to_owned() })
    }

    /// Whom the token names, within a tenant that no signed token names.
    pub(super) fn principal(&self, token: &Parts<'_>, now: Timestamp) -> Result<Principal, Refused> {
        let unsigned = token.header.text("alg") == Some("none") && token.signature.is_empty();
        if !unsigned || token.header.get("kid").is_some() {
            return Err(Wrong::Signature.into());
        }
        rules::check(&token.claims, Kind::Firebase, &self.project, now)?;
        Ok(rules::principal(&token.claims, &format!("emulator/{}", self.project))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_projects_that_cannot_exist_are_emulated() {
        assert!(Emulator::of("demo-podling", "127.0.0.1:9099").is_ok());
        for real in ["podling", "my-demo-podling", "Demo-podling", "demo", ""] {
            assert_eq!(Emulator::of(real, "127.0.0.1:9099").err(), Some(NotADemo), "{real}");
        }
    }
}
