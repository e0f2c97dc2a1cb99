//! What owners may use: the deployment's defaults and what operators say otherwise, of a tenant or of an owner.
//!
//! What holds for an owner is looked up once in a while and not for each of its requests, so a change takes
//! [`KNOWN_FOR`] to be seen everywhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use podling_session::{
    principal::Owner,
    quota::{Quota, QuotaOf, QuotaOverride, QuotaStore},
    spec::InvalidField,
    store::StoreError,
};
use tracing::info;

use crate::core::Core;

/// How long what was looked up is good.
pub const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Owners that are remembered: those of the last seconds, of some hundred bytes each.
const MAX_KNOWN: usize = 10_000;

/// Why a quota was not set.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    #[error("the store of quotas failed")]
    Store(#[from] StoreError),
}

/// What is said of a tenant or an owner, and what holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub said: QuotaOverride,
    /// Of a tenant: for those of its owners of whom nothing else is said.
    pub effective: Quota,
}

/// What was looked up lately.
pub struct Quotas {
    store: Arc<dyn QuotaStore>,
    known: Mutex<HashMap<Owner, Known>>,
}

struct Known {
    quota: Arc<Quota>,
    since: Instant,
}

impl Quotas {
    pub fn new(store: Arc<dyn QuotaStore>) -> Quotas {
        Quotas { store, known: Mutex::default() }
    }

    fn known(&self, owner: &Owner) -> Option<Arc<Quota>> {
        let known = self.lock();
        let found = known.get(owner).filter(|known| known.since.elapsed() < KNOWN_FOR)?;
        Some(Arc::clone(&found.quota))
    }

    fn remember(&self, owner: &Owner, quota: &Arc<Quota>) {
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN {
            known.retain(|_, known| known.since.elapsed() < KNOWN_FOR);
        }
        // Who does not fit in is looked up each time.
        if known.len() < MAX_KNOWN {
            known.insert(owner.clone(), Known { quota: Arc::clone(quota), since: Instant::now() });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What holds for an owner, as it was at most [`KNOWN_FOR`] ago.
///
/// # Errors
/// When it has to be looked up and the store does not answer.
pub async fn effective(core: &Core, owner: &Owner) -> Result<Arc<Quota>, StoreError> {
    if let Some(quota) = core.quotas.known(owner) {
        return Ok(quota);
    }
    let said = core.quotas.store.overrides(owner).await?;
    let quota = Arc::new(core.settings.quota.with(&said.tenant).with(&said.owner));
    core.quotas.remember(owner, &quota);
    Ok(quota)
}

/// What is said of a tenant or an owner, and what holds for it, as it is now.
///
/// # Errors
/// When the store does not answer.
pub async fn get(core: &Core, of: &QuotaOf) -> Result<Answer, StoreError> {
    let (said, tenants) = match of {
        QuotaOf::Tenant(_) => (core.quotas.store.quota(of).await?, QuotaOverride::default()),
        QuotaOf::Owner(owner) => {
            let said = core.quotas.store.overrides(owner).await?;
            (said.owner, said.tenant)
        }
    };
    let effective = core.settings.quota.with(&tenants).with(&said);
    Ok(Answer { said, effective })
}

/// Says something else of a tenant or an owner: the whole of it, in place of what was said before. What runs goes on.
///
/// # Errors
/// When a field is out of range, or the store does not answer.
pub async fn set(core: &Core, of: &QuotaOf, to: &QuotaOverride) -> Result<Answer, QuotaError> {
    to.check(of)?;
    core.quotas.store.set_quota(of, to).await?;
    core.quotas.lock().clear();
    info!("the quota of {} was changed", name(of));
    Ok(get(core, of).await?)
}

/// As people read it.
fn name(of: &QuotaOf) -> String {
    match of {
        QuotaOf::Tenant(tenant) => format!("tenant {tenant}"),
        QuotaOf::Owner(owner) => format!("owner {} of tenant {}", owner.subject, owner.tenant),
    }
}
