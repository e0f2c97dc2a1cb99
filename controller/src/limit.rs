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
    middleware::NoOpMiddleware,
    state::keyed::DashMapStateStore,
};
use podling_session::limit::{Decision, Rate, RateLimiter, Unavailable};
use tokio_util::sync::CancellationToken;

/// How often keys that have their whole allowance back are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// A year: no caller comes back later than that.
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 3_600);

type Keyed<C> = governor::RateLimiter<String, DashMapStateStore<String>, C, NoOpMiddleware<<C as Clock>::Instant>>;

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
    let one_per = (rate.period.min(LONGEST_PERIOD) / rate.burst.get()).max(Duration::from_nanos(1));
    Quota::with_period(one_per).expect("the period is not zero").allow_burst(rate.burst)
}

#[async_trait]
impl<C> RateLimiter for MemoryRateLimiter<C>
where
    C: Clock + Clone + Send + Sync,
    C::Instant: Send + Sync,
{
    async fn take(&self, key: &str, rate: Rate) -> Result<Decision, Unavailable> {
        match self.table(rate).check_key(&key.to_owned()) {
            Ok(()) => Ok(Decision::Allowed),
            Err(not_yet) => Ok(Decision::Limited { retry_after: not_yet.wait_time_from(self.clock.now()) }),
        }
    }
}

/// What every rate limiter keeps, whatever it is made of. `advance` lets time pass for it.
#[cfg(test)]
pub(crate) mod contract {
    use std::num::NonZeroU32;

    use tokio::task::JoinSet;

    use super::*;

    pub(crate) fn five_a_minute() -> Rate {
        Rate { burst: NonZeroU32::new(5).expect("not zero"), period: Duration::from_secs(60) }
    }

    async fn take(limiter: &dyn RateLimiter, key: &str) -> Decision {
        limiter.take(key, five_a_minute()).await.expect("the limiter answers")
    }

    pub(crate) async fn a_burst_passes_and_the_next_waits(limiter: &dyn RateLimiter, advance: impl Fn(Duration)) {
        for _ in 0..5 {
            assert_eq!(take(limiter, "a").await, Decision::Allowed);
        }
        let Decision::Limited { retry_after } = take(limiter, "a").await else { panic!("the sixth passed") };
        assert!(retry_after <= Duration::from_secs(12) && retry_after > Duration::from_secs(8), "{retry_after:?}");
        advance(retry_after - Duration::from_millis(1_000));
        assert_ne!(take(limiter, "a").await, Decision::Allowed, "it came back a second early");
        advance(Duration::from_millis(1_000));
        assert_eq!(take(limiter, "a").await, Decision::Allowed, "what Retry-After said must hold");
        assert_ne!(take(limiter, "a").await, Decision::Allowed, "one came back, not two");
    }

    pub(crate) async fn keys_and_rates_are_counted_apart(limiter: &dyn RateLimiter) {
        for _ in 0..6 {
            take(limiter, "b").await;
        }
        assert_eq!(take(limiter, "c").await, Decision::Allowed);
        let other = Rate { burst: NonZeroU32::MIN, ..five_a_minute() };
        assert_eq!(limiter.take("b", other).await.expect("the limiter answers"), Decision::Allowed);
    }

    pub(crate) async fn parallel_takers_share_one_allowance(limiter: Arc<dyn RateLimiter>) {
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let limiter = limiter.clone();
            tasks.spawn(async move { take(&*limiter, "d").await == Decision::Allowed });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|passed| *passed).count(), 5);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[tokio::test]
    async fn a_burst_passes_and_the_next_waits() {
        let clock = FakeRelativeClock::default();
        let limiter = MemoryRateLimiter::with_clock(clock.clone());
        contract::a_burst_passes_and_the_next_waits(&limiter, |by| clock.advance(by)).await;
    }

    #[tokio::test]
    async fn keys_and_rates_are_counted_apart() {
        contract::keys_and_rates_are_counted_apart(&MemoryRateLimiter::new()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn parallel_takers_share_one_allowance() {
        contract::parallel_takers_share_one_allowance(Arc::new(MemoryRateLimiter::new())).await;
    }

    #[tokio::test]
    async fn keys_that_have_their_allowance_back_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = MemoryRateLimiter::with_clock(clock.clone());
        let rate = contract::five_a_minute();
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

    #[test]
    fn no_rate_makes_it_panic() {
        let rate = |burst, period| Rate { burst: NonZeroU32::new(burst).expect("not zero"), period };
        for odd in [rate(1, Duration::ZERO), rate(u32::MAX, Duration::from_nanos(1)), rate(1, Duration::MAX)] {
            quota(odd);
        }
    }
}
