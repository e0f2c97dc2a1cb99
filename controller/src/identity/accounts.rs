//! Whether an account was disabled, or its tokens revoked, since a token of it was made: asked of Google Identity Toolkit.
//!
//! <https://cloud.google.com/identity-platform/docs/reference/rest/v1/accounts/lookup>; what it says is kept for half a
//! minute, so that the API does not wait for it on every request.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::{Refused, claims::Claims, fetch, rules::Wrong};

/// How long a revocation may stay unseen.
const KEPT: Duration = Duration::from_secs(30);
/// Accounts that are remembered; those of more are asked for each time.
const MOST: usize = 10_000;
/// The answer is one account.
const MAX_BYTES: usize = 64 * 1024;
const GOOGLE: &str = "https://identitytoolkit.googleapis.com/v1/accounts:lookup";

pub(super) struct Accounts {
    url: Url,
    client: Client,
    seen: Mutex<HashMap<String, Seen>>,
}

/// What is known of an account.
#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    /// Seconds since the epoch: who signed in before has to do so again.
    valid_since: i64,
    disabled: bool,
}

#[derive(Deserialize)]
struct Answer {
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    local_id: String,
    /// A number in a string, as Google's JSON has all of 64 bits.
    #[serde(default)]
    valid_since: Option<String>,
    #[serde(default)]
    disabled: bool,
}

impl Accounts {
    /// Asks with a project's web API key, which names the project and opens nothing.
    ///
    /// # Errors
    /// When there is no client for that place.
    pub(super) fn of(place: Option<&Url>, api_key: &str) -> Result<Accounts, reqwest::Error> {
        let mut url = place.cloned().unwrap_or_else(|| GOOGLE.parse().expect("a URL of our own"));
        url.query_pairs_mut().append_pair("key", api_key);
        Ok(Accounts { client: fetch::client(&url)?, url, seen: Mutex::default() })
    }

    /// # Errors
    /// When the token, whose signature and claims are sound, is good no more, or nobody can say.
    pub(super) async fn check(&self, token: &str, claims: &Claims) -> Result<(), Refused> {
        let subject = claims.text("sub").ok_or(Wrong::Claim("sub"))?;
        let signed_in = claims.second("auth_time").ok_or(Wrong::Claim("auth_time"))?;
        let known = self.lock().get(subject).copied().filter(|seen| seen.at.elapsed() < KEPT);
        let seen = match known {
            Some(seen) => seen,
            None => self.ask(token, subject).await?,
        };
        if seen.disabled || signed_in < seen.valid_since { Err(Wrong::Revoked.into()) } else { Ok(()) }
    }

    async fn ask(&self, token: &str, subject: &str) -> Result<Seen, Refused> {
        let asked = self.client.post(self.url.clone()).json(&json!({ "idToken": token })).send().await;
        let mut response = asked.map_err(|error| unavailable(&error.without_url()))?;
        match response.status() {
            StatusCode::OK => {}
            // A key of ours that is wrong is answered with it, too.
            StatusCode::BAD_REQUEST => return Err(fault(&whole(&mut response).await?)),
            status => return Err(unavailable(&status)),
        }
        let answer: Answer =
            serde_json::from_slice(&whole(&mut response).await?).map_err(|error| unavailable(&error))?;
        let user = answer.users.into_iter().find(|user| user.local_id == subject).ok_or(Wrong::Revoked)?;
        let since = user.valid_since.map_or(Ok(0), |text| text.parse()).map_err(|error| unavailable(&error))?;
        let seen = Seen { at: Instant::now(), valid_since: since, disabled: user.disabled };
        self.remember(subject, seen);
        Ok(seen)
    }

    fn remember(&self, subject: &str, seen: Seen) {
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, seen| seen.at.elapsed() < KEPT);
        }
        if all.len() < MOST {
            all.insert(subject.to_owned(), seen);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn whole(response: &mut Response) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(&error.without_url()))? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(unavailable(&"the answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What Identity Toolkit says of a token that it does not take.
fn fault(body: &[u8]) -> Refused {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    match message.split([' ', ':']).next() {
        Some("INVALID_ID_TOKEN" | "TOKEN_EXPIRED" | "USER_DISABLED" | "USER_NOT_FOUND") => Wrong::Revoked.into(),
        _ => unavailable(&StatusCode::BAD_REQUEST),
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> Refused {
    warn!(%error, "Identity Toolkit does not tell whether an ID token was revoked");
    Refused::Unavailable
}
