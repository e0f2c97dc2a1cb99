//! The public keys of session tokens, cached. They are fetched anew when the controller's time for them has passed, behind
//! the viewer that noticed: a key that is to sign is here before its first token. An unknown key causes one fetch for all
//! who wait for it, and at most one a second, so strangers with made-up tokens cost the controller nothing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jsonwebtoken::jwk::JwkSet;
use podling_proto::control::GetKeysResponse;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::controller::Controller;

const BETWEEN_FETCHES: Duration = Duration::from_secs(1);

/// The keys cannot be had; nobody can be told from anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoKeys;

type Fetch = Shared<BoxFuture<'static, Result<Arc<JwkSet>, NoKeys>>>;

pub(crate) struct Keys {
    controller: Controller,
    known: Arc<ArcSwapOption<Known>>,
    last: Mutex<Option<Last>>,
}

struct Known {
    keys: Arc<JwkSet>,
    /// From then on there may be a newer set.
    stale_at: Option<Instant>,
}

struct Last {
    begins: Instant,
    fetch: Fetch,
}

impl Keys {
    pub(crate) fn new(controller: Controller) -> Keys {
        Keys { controller, known: Arc::default(), last: Mutex::default() }
    }

    /// What is known, or the first fetch.
    pub(crate) async fn known(&self) -> Result<Arc<JwkSet>, NoKeys> {
        let Some(known) = self.known.load_full() else { return self.fresh().await };
        if known.stale_at.is_some_and(|stale_at| stale_at <= Instant::now()) {
            self.controller.leftovers.spawn(self.fetch()); // It has a deadline of its own.
        }
        Ok(Arc::clone(&known.keys))
    }

    /// A set fetched from now on, or by the fetch that is under way.
    pub(crate) async fn fresh(&self) -> Result<Arc<JwkSet>, NoKeys> {
        self.fetch().await
    }

    fn fetch(&self) -> Fetch {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Last { fetch, .. }) = last.as_ref().filter(|last| last.fetch.peek().is_none()) {
            return fetch.clone();
        }
        let now = Instant::now();
        let begins = last.as_ref().map_or(now, |last| now.max(last.begins + BETWEEN_FETCHES));
        let fetch = fetch(self.controller.clone(), self.known.clone(), begins).boxed().shared();
        *last = Some(Last { begins, fetch: fetch.clone() });
        fetch
    }
}

async fn fetch(
    controller: Controller,
    known: Arc<ArcSwapOption<Known>>,
    begins: Instant,
) -> Result<Arc<JwkSet>, NoKeys> {
    sleep_until(begins).await;
    let GetKeysResponse { jwks, life_millis } = controller.keys().await.map_err(|status| {
        warn!(code = ?status.code(), "fetching the keys of session tokens failed");
        NoKeys
    })?;
    let keys: Arc<JwkSet> = serde_json::from_str(&jwks).map(Arc::new).map_err(|error| {
        warn!(%error, "the keys of session tokens cannot be read");
        NoKeys
    })?;
    let life = (life_millis > 0).then(|| Duration::from_millis(life_millis));
    let stale_at = life.and_then(|life| begins.checked_add(life));
    known.store(Some(Arc::new(Known { keys: Arc::clone(&keys), stale_at })));
    Ok(keys)
}
