//! The gateway's own check of a session token, before anybody else is asked.

use jiff::Timestamp;
use podling_session::{
    id::Uid,
    refusal::Refusal,
    token::{Claims, Expected, GATEWAY_SLACK, TokenError, verify},
};
use tracing::debug;

use crate::keys::{Keys, NoKeys};

/// The claims of a token that is good for `session`.
pub(crate) async fn session_token(token: &str, session: Uid, issuer: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let known = keys.known().await.map_err(|NoKeys| Refusal::Unavailable)?;
    let expected = Expected { issuer, session, now: Timestamp::now(), slack: GATEWAY_SLACK };
    let verified = match verify(token, &known, &expected) {
        Err(TokenError::UnknownKey) => {
            let fresh = keys.fresh().await.map_err(|NoKeys| Refusal::Unavailable)?;
            verify(token, &fresh, &expected)
        }
        verified => verified,
    };
    verified.map_err(|error| {
        debug!(session.uid = %session, %error, "a session token was refused");
        Refusal::Token
    })
}
