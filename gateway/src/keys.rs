//! The public keys of session tokens, cached. An unknown key causes one fetch for all who wait for it, and at most one
//! a second, so strangers with made-up tokens cost the controller nothing.

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
    known: Arc<ArcSwapOption<JwkSet>>,
    last: Mutex<Option<Last>>,
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
        match self.known.load_full() {
            Some(keys) => Ok(keys),
            None => self.fresh().await,
        }
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
    known: Arc<ArcSwapOption<JwkSet>>,
    begins: Instant,
) -> Result<Arc<JwkSet>, NoKeys> {
    sleep_until(begins).await;
    let text = controller.keys().await.map_err(|status| {
        warn!(code = ?status.code(), "fetching the keys of session tokens failed");
        NoKeys
    })?;
    let keys = serde_json::from_str(&text).map(Arc::new).map_err(|error| {
        warn!(%error, "the keys of session tokens cannot be read");
        NoKeys
    })?;
    known.store(Some(Arc::clone(&keys)));
    Ok(keys)
}
