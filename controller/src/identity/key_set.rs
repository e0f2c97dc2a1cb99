//! The public keys of an issuer, kept by what its server says of their life, and fetched again before that is over.
//!
//! One fetch is under way at a time, and those who need it wait for it. A key that is not known causes at most one a second.
//! When the server is down, the last good keys are used for some hours more, and unknown ones are unknown to us, not wrong.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use reqwest::Client;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use url::Url;

use super::{
    Refused,
    fetch::{self, FetchError},
    rules::Wrong,
};

/// How long the last good keys are used once they are not fresh any more.
const KEPT: Duration = Duration::from_secs(6 * 3_600);
const BETWEEN_FETCHES: Duration = Duration::from_secs(1);
/// How soon a fetch that failed is repeated while nobody asks for it.
const RETRY: Duration = Duration::from_secs(10);
/// The shortest modulus, in bytes: RFC 7518, section 3.3.
const MIN_MODULUS: usize = 256;

type Keys = HashMap<String, Arc<DecodingKey>>;

/// Where the keys are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    At(Url),
    /// Where the issuer's own document says (OpenID Connect Discovery 1.0, section 4).
    Discovered {
        document: Url,
        issuer: String,
    },
}

impl Place {
    fn url(&self) -> &Url {
        match self {
            Place::At(url) | Place::Discovered { document: url, .. } => url,
        }
    }
}

pub(super) struct KeySet {
    place: Place,
    client: Client,
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    asked: Option<Asked>,
}

struct Kept {
    keys: Keys,
    refresh_at: Instant,
    until: Instant,
}

#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    failed: bool,
}

/// What is known of a key.
enum Known {
    Key(Arc<DecodingKey>),
    /// It may be there by now.
    Stale,
    /// The issuer has no such key.
    No,
    /// Nobody can say.
    Unavailable,
}

impl State {
    fn look(&self, kid: &str, now: Instant) -> Known {
        let kept = self.kept.as_ref().filter(|kept| now < kept.until);
        if let Some(key) = kept.and_then(|kept| kept.keys.get(kid)) {
            return Known::Key(key.clone());
        }
        match self.asked {
            Some(asked) if now.duration_since(asked.at) < BETWEEN_FETCHES && asked.failed => Known::Unavailable,
            Some(asked) if now.duration_since(asked.at) < BETWEEN_FETCHES && kept.is_some() => Known::No,
            _ => Known::Stale,
        }
    }

    /// Sets what a fetch brought. Keys that were good stay when it brought none.
    fn told(&mut self, fetched: Option<(Keys, Duration)>, now: Instant) {
        self.asked = Some(Asked { at: now, failed: fetched.is_none() });
        if let Some((keys, life)) = fetched {
            self.kept = Some(Kept { keys, refresh_at: now + life.mul_f64(0.75), until: now + life + KEPT });
        }
    }

    fn next_fetch(&self) -> Option<Instant> {
        let retry = self.asked.filter(|asked| asked.failed).map(|asked| asked.at + RETRY);
        let refresh = self.kept.as_ref().map(|kept| kept.refresh_at);
        retry.max(refresh)
    }
}

impl KeySet {
    /// # Errors
    /// When there is no client for the place.
    pub(super) fn at(place: Place) -> Result<KeySet, reqwest::Error> {
        let client = fetch::client(place.url())?;
        Ok(KeySet { place, client, state: Mutex::default(), turn: tokio::sync::Mutex::default() })
    }

    /// The key of that name.
    pub(super) async fn key(&self, kid: &str) -> Result<Arc<DecodingKey>, Refused> {
        if let Some(known) = self.answer(kid) {
            return known;
        }
        let _turn = self.turn.lock().await; // Whoever has it is done within the time of a fetch.
        if let Some(known) = self.answer(kid) {
            return known;
        }
        self.fetch().await;
        self.answer(kid).unwrap_or(Err(Refused::Unavailable))
    }

    fn answer(&self, kid: &str) -> Option<Result<Arc<DecodingKey>, Refused>> {
        match self.lock().look(kid, Instant::now()) {
            Known::Key(key) => Some(Ok(key)),
            Known::No => Some(Err(Refused::Token(Wrong::Signature))),
            Known::Unavailable => Some(Err(Refused::Unavailable)),
            Known::Stale => None,
        }
    }

    async fn fetch(&self) {
        let fetched = match self.read().await {
            Ok(fetched) => Some(fetched),
            Err(error) => {
                let url = self.place.url();
                warn!(error = &error as &dyn std::error::Error, "the keys of ID tokens cannot be had from {url}");
                None
            }
        };
        self.lock().told(fetched, Instant::now());
    }

    async fn read(&self) -> Result<(Keys, Duration), FetchError> {
        let url = match &self.place {
            Place::At(url) => url.clone(),
            Place::Discovered { document, issuer } => {
                let (found, _) = fetch::document::<Discovery>(&self.client, document).await?;
                if found.issuer != *issuer {
                    return Err(FetchError::OtherIssuer);
                }
                // What was found over TLS leads to nothing less.
                let is_safe = fetch::is_trusted(&found.jwks_uri)
                    && (found.jwks_uri.scheme() == "https" || document.scheme() == "http");
                is_safe.then_some(found.jwks_uri).ok_or(FetchError::Untrusted)?
            }
        };
        let (set, life) = fetch::document::<Set>(&self.client, &url).await?;
        let keys = usable(set);
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok((keys, life)) }
    }

    /// Fetches the keys at once, and again before they are not fresh any more, until `stop`.
    pub(super) async fn tend(&self, stop: &CancellationToken) {
        loop {
            let next = self.lock().next_fetch();
            let wait = next.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
            let _turn = self.turn.lock().await;
            if self.lock().next_fetch() == next && stop.run_until_cancelled(self.fetch()).await.is_some() {
                debug!("looked for the keys of ID tokens at {}", self.place.url());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

/// A JSON Web Key Set (RFC 7517, section 5).
#[derive(Deserialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jwk {
    kty: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: String,
    e: String,
}

/// Those that verify RS256. Others are there for others, or too short.
fn usable(set: Set) -> Keys {
    let good = |jwk: &Jwk| {
        let modulus = URL_SAFE_NO_PAD.decode(&jwk.n).unwrap_or_default();
        let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
        let meant = jwk.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        jwk.kty == "RSA" && !jwk.kid.is_empty() && meant && bytes >= MIN_MODULUS
    };
    let keys = set.keys.into_iter().filter(good);
    keys.filter_map(|jwk| Some((jwk.kid, Arc::new(DecodingKey::from_rsa_components(&jwk.n, &jwk.e).ok()?)))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwk(kid: &str, bytes: usize) -> serde_json::Value {
        json!({ "kty": "RSA", "kid": kid, "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB" })
    }

    fn keys(kid: &str) -> Keys {
        usable(serde_json::from_value(json!({ "keys": [jwk(kid, 256)] })).expect("a set"))
    }

    #[test]
    fn keys_for_something_else_and_short_ones_are_left_out() {
        let with = |kid: &str, name: &str, value: &str| {
            let mut jwk = jwk(kid, 256);
            jwk[name] = value.into();
            jwk
        };
        let set = json!({ "keys": [
            jwk("good", 256), with("signs", "use", "sig"), with("rs", "alg", "RS256"), jwk("short", 255), jwk("", 256),
            with("encrypts", "use", "enc"), with("es", "alg", "ES256"), with("ec", "kty", "EC"), with("odd", "n", "*"),
            { "kty": "oct", "kid": "secret", "k": "AAAA" },
        ] });
        let mut found: Vec<_> = usable(serde_json::from_value(set).expect("a set")).into_keys().collect();
        found.sort();
        assert_eq!(found, ["good", "rs", "signs"]);
    }

    #[test]
    fn keys_are_refreshed_ahead_and_the_last_good_ones_kept_for_six_hours() {
        let (mut state, start) = (State::default(), Instant::now());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert!(state.next_fetch().is_none() && matches!(state.look("a", start), Known::Stale));
        state.told(Some((keys("a"), Duration::from_secs(4_000))), start);
        assert_eq!(state.next_fetch(), Some(after(3_000)));
        assert!(matches!(state.look("a", after(3_999)), Known::Key(_)));
        state.told(None, after(3_000));
        assert_eq!(state.next_fetch(), Some(after(3_010)));
        let end = 4_000 + 6 * 3_600;
        assert!(matches!(state.look("a", after(end - 1)), Known::Key(_)));
        assert!(matches!(state.look("a", after(end)), Known::Stale));
        state.told(None, after(end));
        assert!(matches!(state.look("a", after(end)), Known::Unavailable));
    }

    #[test]
    fn an_unknown_key_is_asked_for_once_a_second_and_is_wrong_only_when_the_server_said_so() {
        let (mut state, start) = (State::default(), Instant::now());
        let after = |millis: u64| start + Duration::from_millis(millis);
        state.told(Some((keys("a"), Duration::from_secs(4_000))), start);
        assert!(matches!(state.look("b", after(999)), Known::No));
        assert!(matches!(state.look("b", after(1_000)), Known::Stale));
        state.told(None, after(1_000));
        assert!(matches!(state.look("b", after(1_500)), Known::Unavailable));
        assert!(matches!(state.look("a", after(1_500)), Known::Key(_)));
    }
}
