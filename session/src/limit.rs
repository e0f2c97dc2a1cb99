//! The seam of the rate limiter.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;

pub use crate::replay::Unavailable;

/// At most `burst` at once, refilled evenly so that `burst` pass in every `period` (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    pub burst: NonZeroU32,
    pub period: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed {
        /// As many more pass at once.
        remaining: u32,
        /// After this long without another the allowance is whole again, at the latest.
        whole_after: Duration,
    },
    /// Nothing was taken; the next one passes after this long.
    Limited { retry_after: Duration },
}

impl Decision {
    pub fn is_allowed(self) -> bool {
        matches!(self, Decision::Allowed { .. })
    }
}

#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one from the key's allowance, atomically over all callers.
    async fn take(&self, key: &str, rate: Rate) -> Result<Decision, Unavailable>;
}
