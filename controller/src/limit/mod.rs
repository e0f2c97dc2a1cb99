//! The rate limiter (GCRA): in memory for a controller that is alone, in Redis for many.

mod memory;
mod redis;

#[cfg(test)]
mod contract;

use std::time::Duration;

use podling_session::limit::Rate;

pub use self::{memory::MemoryRateLimiter, redis::RedisRateLimiter};

/// A year: no caller comes back later than that.
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The time in which one more comes back, at least the `shortest` that a limiter can count.
fn one_per(rate: Rate, shortest: Duration) -> Duration {
    (rate.period.min(LONGEST_PERIOD) / rate.burst.get()).max(shortest)
}
