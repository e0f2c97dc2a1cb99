//! The rate limiter of a controller that is alone: GCRA in memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use governor::{
    Quota,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use podling_session::limit::{Decision, Rate, RateLimiter, Unavailable};
use tokio_util::sync::CancellationToken;

use super::one_per;

/// How often keys that have their whole allowance back are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// The shortest time that the clock tells apart.
const TICK: Duration = Duration::from_nanos(1);

type Keyed<C> = governor::RateLimiter<String, DashMapStateStore<String>, C, StateInformationMiddleware>;

/// One table of keys for each rate: operators choose the rates, so they are few.
pub struct MemoryRateLimiter<C: Clock = DefaultClock> {
    clock: C,
    rates: Mutex<HashMap<Rate, Arc<Keyed<C>>>>,
}

impl MemoryRateLimiter {
    #[expect(clippy::new_without_default, reason = "a limiter is one thing that callers share, not a value")]
    pub fn new() -> MemoryRateLimiter {
        MemoryRateLimiter::with_clock(DefaultClock::default())
    }
}

impl<C: Clock + Clone> MemoryRateLimiter<C> {
    fn with_clock(clock: C) -> MemoryRateLimiter<C> {
        MemoryRateLimiter { clock, rates: Mutex::default() }
    }

    /// Forgets idle keys until `stop`; without it, every caller that ever came is remembered.
    pub async fn run(&self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.forget_idle(),
            }
        }
    }

    fn forget_idle(&self) {
        let tables: Vec<_> = self.rates.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for table in tables {
            table.retain_recent();
            table.shrink_to_fit();
        }
    }

    fn table(&self, rate: Rate) -> Arc<Keyed<C>> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(Keyed::new(quota(rate), DashMapStateStore::default(), self.clock.clone()));
        rates.entry(rate).or_insert_with(make).clone()
    }
}

/// Governor counts in nanoseconds and panics past 584 years and at none at all.
fn quota(rate: Rate) -> Quota {
    Quota::with_period(one_per(rate, TICK)).expect("the period is not zero").allow_burst(rate.burst)
}

#[async_trait]
impl<C> RateLimiter for MemoryRateLimiter<C>
where
    C: Clock + Clone + Send + Sync,
    C::Instant: Send + Sync,
{
    async fn take(&self, key: &str, rate: Rate) -> Result<Decision, Unavailable> {
        match self.table(rate).check_key(&key.to_owned()) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = rate.burst.get().saturating_sub(remaining);
                Ok(Decision::Allowed { remaining, whole_after: one_per(rate, TICK).saturating_mul(missing) })
            }
            Err(not_yet) => Ok(Decision::Limited { retry_after: not_yet.wait_time_from(self.clock.now()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::limit::contract;

    #[tokio::test]
    async fn a_burst_passes_and_the_next_waits() {
        let clock = FakeRelativeClock::default();
        let limiter = MemoryRateLimiter::with_clock(clock.clone());
        let minute = Duration::from_secs(60);
        contract::a_burst_passes_and_the_next_waits(&limiter, minute, async |by| clock.advance(by)).await;
    }

    #[tokio::test]
    async fn keys_and_rates_are_counted_apart() {
        contract::keys_and_rates_are_counted_apart(&MemoryRateLimiter::new()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn parallel_takers_share_one_allowance() {
        contract::parallel_takers_share_one_allowance(&[Arc::new(MemoryRateLimiter::new())]).await;
    }

    #[tokio::test]
    async fn keys_that_have_their_allowance_back_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = MemoryRateLimiter::with_clock(clock.clone());
        let rate = contract::five_in(Duration::from_secs(60));
        for caller in 0..1_000 {
            limiter.take(&caller.to_string(), rate).await.expect("memory answers");
        }
        limiter.forget_idle();
        assert_eq!(limiter.table(rate).len(), 1_000);
        clock.advance(rate.period);
        limiter.forget_idle();
        assert!(limiter.table(rate).is_empty());
    }

    #[tokio::test]
    async fn forgetting_ends_when_it_is_told() {
        let stop = CancellationToken::new();
        stop.cancel();
        MemoryRateLimiter::new().run(stop).await;
    }

    #[tokio::test]
    async fn no_rate_is_too_odd() {
        contract::no_rate_is_too_odd(&MemoryRateLimiter::new()).await;
    }
}
