//! How many sessions an owner may still create now.

use std::time::Duration;

use podling_session::{
    limit::{Decision, Rate, Unavailable},
    principal::Owner,
    quota::Quota,
};

use crate::core::Core;

/// What the limiter said, and by which rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub rate: Rate,
    pub decision: Decision,
}

impl Allowance {
    /// Takes one create from the owner's allowance, or tells when there is one again.
    ///
    /// # Errors
    /// When the limiter does not answer; nothing may pass then.
    pub async fn of_create(core: &Core, owner: &Owner, quota: &Quota) -> Result<Allowance, Unavailable> {
        let rate = quota.create_rate();
        // A tenant holds no line feed, so no two owners share a key.
        let key = format!("create\n{}\n{}", owner.tenant, owner.subject);
        let decision = core.limiter.take(&key, rate).await?;
        if !decision.is_allowed() {
            metrics::counter!("podling_rate_limit_hits_total", "limit" => "create").increment(1);
        }
        Ok(Allowance { rate, decision })
    }

    /// How long to wait, where nothing is left.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.decision {
            Decision::Allowed { .. } => None,
            Decision::Limited { retry_after } => Some(retry_after),
        }
    }
}
