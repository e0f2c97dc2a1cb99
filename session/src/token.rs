//! Session tokens: the capability to attach to one session. RS256 JWT, minutes long, spent once. Never an identity.
//!
//! `verify` is the only reader. The algorithm is a constant here; what the token's header says of it is compared, never
//! obeyed (RFC 8725, 3.1).

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::{Deserialize, Serialize};

use crate::{
    id::{TokenId, Uid},
    share::Who,
};

/// The audience of session tokens. Every kind of token has its own and is refused everywhere else.
pub const AUDIENCE: &str = "ws";
/// Longer tokens are refused unread.
pub const MAX_TOKEN_BYTES: usize = 4096;
/// How far the gateway's clock may be from the controller's. The controller itself allows none.
pub const GATEWAY_SLACK: Duration = Duration::from_secs(600);

/// What a viewer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    #[serde(rename = "terminal:rw")]
    ReadWrite,
    #[serde(rename = "terminal:ro")]
    ReadOnly,
}

/// The claims of a session token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The subject within the tenant that asked for the token.
    pub sub: String,
    /// The session's uid.
    pub sid: Uid,
    /// The tenant.
    pub tid: String,
    pub jti: TokenId,
    /// Seconds since the epoch.
    pub iat: i64,
    /// Seconds since the epoch.
    pub exp: i64,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Who::is_plain")]
    pub who: Who,
}

/// Why a token opens nothing. Callers of the public doors learn only that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's signature is not by a key of this issuer")]
    Signature,
    /// The `kid` is not in the key set; a fresher set may have it.
    #[error("the token names an unknown key")]
    UnknownKey,
    #[error("the token is of another issuer or audience")]
    NotForUs,
    #[error("the token is for another session")]
    OtherSession,
    #[error("the token has expired or is from the future")]
    Expired,
}

/// What a token must match beside its signature.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub session: Uid,
    pub now: Timestamp,
    /// How far `now` may be from the issuer's clock.
    pub slack: Duration,
}

/// Checks signature, issuer, audience, session and time.
pub fn verify(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, TokenError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    if header.alg != Algorithm::RS256 {
        return Err(TokenError::Signature);
    }
    // We know no extension, so none that must be understood can be (RFC 7515, 4.1.11).
    if header.crit.is_some() {
        return Err(TokenError::Malformed);
    }
    let kid = header.kid.ok_or(TokenError::Malformed)?;
    let jwk = keys.find(&kid).ok_or(TokenError::UnknownKey)?;
    let key = DecodingKey::from_jwk(jwk).map_err(|_| TokenError::Signature)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &signature_only()).map_err(|error| {
        use jsonwebtoken::errors::ErrorKind;
        match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        }
    })?;
    check(claims.claims, expected)
}

/// The library checks the signature; the rules on claims are ours, with a clock that is an argument.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn check(claims: Claims, expected: &Expected<'_>) -> Result<Claims, TokenError> {
    if claims.iss != expected.issuer || claims.aud != AUDIENCE {
        return Err(TokenError::NotForUs);
    }
    if claims.sid != expected.session {
        return Err(TokenError::OtherSession);
    }
    let now = expected.now.as_second();
    let slack = i64::try_from(expected.slack.as_secs()).unwrap_or(i64::MAX);
    // A token is issued before it is used; one second of grace, because `iat` is in whole seconds.
    if claims.exp.saturating_add(slack) <= now || claims.iat > now.saturating_add(slack).saturating_add(1) {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

#[cfg(test)]
mod attacks;

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(uid: Uid) -> Claims {
        Claims {
            iss: "podling".into(),
            aud: AUDIENCE.into(),
            sub: "owner".into(),
            sid: uid,
            tid: "local:user:owner".into(),
            jti: TokenId::new(),
            iat: 1_000,
            exp: 1_300,
            scope: Scope::ReadWrite,
            who: Who::default(),
        }
    }

    #[test]
    fn claims_must_match_issuer_audience_session_and_time() {
        let uid = Uid::new();
        let at = |second: i64, slack: u64| Expected {
            issuer: "podling",
            session: uid,
            now: Timestamp::from_second(second).expect("a small second"),
            slack: Duration::from_secs(slack),
        };
        let refused = |change: fn(&mut Claims), error: TokenError| {
            let mut claims = claims(uid);
            change(&mut claims);
            assert_eq!(check(claims, &at(1_100, 0)), Err(error));
        };
        assert!(check(claims(uid), &at(1_100, 0)).is_ok());
        assert_eq!(check(claims(uid), &at(1_300, 0)), Err(TokenError::Expired));
        assert!(check(claims(uid), &at(1_300, 600)).is_ok());
        assert_eq!(check(claims(uid), &at(998, 0)), Err(TokenError::Expired));
        refused(|c| c.iss = "other".into(), TokenError::NotForUs);
        refused(|c| c.aud = "grant".into(), TokenError::NotForUs);
        refused(|c| c.sid = Uid::new(), TokenError::OtherSession);
    }

    #[test]
    fn a_token_that_is_no_token_is_malformed() {
        let expected = Expected { issuer: "podling", session: Uid::new(), now: Timestamp::now(), slack: GATEWAY_SLACK };
        let keys = JwkSet { keys: vec![] };
        for text in ["", "a.b.c", "';alert(1)//", &"x".repeat(10_000)] {
            assert_eq!(verify(text, &keys, &expected), Err(TokenError::Malformed));
        }
        let none = "eyJhbGciOiJub25lIn0.e30.";
        assert!(verify(none, &keys, &expected).is_err());
        let hs256 = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjEifQ.e30.AAAA";
        assert_eq!(verify(hs256, &keys, &expected), Err(TokenError::Signature));
    }
}
