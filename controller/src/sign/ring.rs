//! A ring of signing keys, wherever they are kept. What signs and what is published follows from the times at which the
//! keys were made ([`Schedule`]), so rings of several controllers agree without a word between them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use podling_session::{
    sign::{NextKey, Signer, Unavailable},
    token::Claims,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::schedule::Schedule;

/// Strangers with made-up keys make gateways ask, and gateways make us look.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// Of the time between the making of a key and its first signature a third is for those who keep the public keys, so that
/// there is time for other controllers to see it, too.
const LIVES_PER_LEAD: u32 = 3;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One key: its public half, and how its keeper finds the other.
pub struct Key<H> {
    pub(super) made_at: Timestamp,
    pub(super) jwk: Jwk,
    pub(super) handle: H,
}

impl<H> Key<H> {
    pub(super) fn kid(&self) -> &str {
        self.jwk.common.key_id.as_deref().unwrap_or_default()
    }

    /// The first part of every token of this key.
    fn header(&self) -> String {
        let header = serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid() });
        URL_SAFE_NO_PAD.encode(header.to_string())
    }
}

pub type Keys<H> = Vec<Arc<Key<H>>>;

/// Where private keys are kept and used.
#[async_trait]
pub trait Keeper: Send + Sync {
    type Handle: Send + Sync;

    /// All keys, the oldest first. Those in `known` need not be read again.
    async fn list(&self, known: &Keys<Self::Handle>) -> Result<Keys<Self::Handle>, BoxError>;

    /// Makes a key that comes behind those in `known`, unless somebody else has made one meanwhile.
    async fn make(&self, known: &Keys<Self::Handle>) -> Result<(), BoxError>;

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3).
    async fn sign(&self, key: Arc<Key<Self::Handle>>, message: String) -> Result<Vec<u8>, BoxError>;

    /// Nobody needs the key any more. The same again changes nothing.
    async fn forget(&self, key: &Key<Self::Handle>) -> Result<(), BoxError>;
}

/// What was seen at one look.
struct Seen<H> {
    keys: Keys<H>,
    public: Arc<JwkSet>,
    at: Instant,
}

/// The signer of one controller.
pub struct Ring<K: Keeper> {
    keeper: K,
    schedule: Schedule,
    seen: ArcSwap<Seen<K::Handle>>,
    /// When the last look began.
    looked: Mutex<Instant>,
}

impl<K: Keeper> Ring<K> {
    /// Looks at the keys, and has the first one made where there is none.
    pub(super) async fn of(keeper: K, schedule: Schedule) -> Result<Ring<K>, BoxError> {
        let at = Instant::now();
        let mut keys = keeper.list(&Keys::new()).await?;
        if keys.is_empty() {
            keeper.make(&keys).await?;
            keys = keeper.list(&keys).await?;
        }
        if keys.is_empty() {
            return Err("the key that was made is not there".into());
        }
        let seen = ArcSwap::from_pointee(Seen { public: public(&keys), keys, at });
        Ok(Ring { keeper, schedule, seen, looked: Mutex::new(at) })
    }

    pub(super) async fn look(&self) -> Result<(), BoxError> {
        let at = Instant::now();
        let known = self.seen.load_full();
        let mut keys = self.keeper.list(&known.keys).await?;
        let forgotten = self.schedule.forgotten(&made(&keys), Timestamp::now());
        for key in keys.drain(..forgotten) {
            if !known.keys.iter().any(|known| known.kid() == key.kid()) {
                continue; // It was forgotten at an earlier look.
            }
            info!(kid = key.kid(), "signing key {} is forgotten: its last token has died", key.kid());
            if let Err(error) = self.keeper.forget(&key).await {
                warn!(error = &*error, kid = key.kid(), "a signing key that nobody needs could not be removed");
            }
        }
        if keys.is_empty() {
            return Err("no signing key is left".into());
        }
        let seen = Arc::new(Seen { public: public(&keys), keys, at });
        // Of two looks at once, the one that began later has seen more.
        self.seen.rcu(|current| if current.at <= seen.at { Arc::clone(&seen) } else { Arc::clone(current) });
        Ok(())
    }

    /// Whether it is time for another look, which is then the caller's.
    fn is_due(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.elapsed() >= BETWEEN_LOOKS;
        if due {
            *looked = Instant::now();
        }
        due
    }

    fn next(&self) -> (NextKey, Keys<K::Handle>) {
        let keys = self.seen.load().keys.clone();
        let newest = keys.last().expect("a ring without keys is never kept");
        let next = NextKey { kid: newest.kid().to_owned(), signs_at: self.schedule.signs_at(newest.made_at) };
        (next, keys)
    }
}

#[async_trait]
impl<K: Keeper> Signer for Ring<K> {
    async fn sign(&self, claims: &Claims) -> Result<String, Unavailable> {
        let seen = self.seen.load_full();
        let signing = self.schedule.signing(&made(&seen.keys), Timestamp::now());
        let key = Arc::clone(&seen.keys[signing.expect("a ring without keys is never kept")]);
        let payload = serde_json::to_vec(claims).map_err(|error| Unavailable(error.into()))?;
        // A compact JWS (RFC 7515, 3.1).
        let mut token = format!("{}.{}", key.header(), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.keeper.sign(key, token.clone()).await.map_err(Unavailable)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn keys(&self) -> Arc<JwkSet> {
        Arc::clone(&self.seen.load().public)
    }

    fn keys_life(&self) -> Duration {
        self.schedule.lead / LIVES_PER_LEAD
    }

    async fn refresh(&self) -> Result<(), Unavailable> {
        if self.is_due() { self.look().await.map_err(Unavailable) } else { Ok(()) }
    }

    async fn rotate(&self) -> Result<NextKey, Unavailable> {
        self.look().await.map_err(Unavailable)?;
        let (waiting, known) = self.next();
        if known.len() > 1 && waiting.signs_at > Timestamp::now() {
            return Ok(waiting);
        }
        self.keeper.make(&known).await.map_err(Unavailable)?;
        self.look().await.map_err(Unavailable)?;
        let (next, _) = self.next();
        if next.kid == waiting.kid {
            return Err(Unavailable("the key that was made cannot be seen yet".into()));
        }
        info!(kid = next.kid, signs_at = %next.signs_at, "signing key {} was made and signs from {} on", next.kid, next.signs_at);
        Ok(next)
    }

    fn newest_made_at(&self) -> Timestamp {
        self.seen.load().keys.last().map_or(Timestamp::MAX, |newest| newest.made_at)
    }
}

fn made<H>(keys: &Keys<H>) -> Vec<Timestamp> {
    keys.iter().map(|key| key.made_at).collect()
}

fn public<H>(keys: &Keys<H>) -> Arc<JwkSet> {
    Arc::new(JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() })
}
