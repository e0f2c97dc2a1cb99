//! What every rate limiter keeps, whatever it is made of.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use podling_session::limit::{Decision, Rate, RateLimiter};
use tokio::task::JoinSet;

pub(super) fn five_in(period: Duration) -> Rate {
    Rate { burst: NonZeroU32::new(5).expect("not zero"), period }
}

async fn take(limiter: &dyn RateLimiter, key: &str, rate: Rate) -> Decision {
    limiter.take(key, rate).await.expect("the limiter answers")
}

/// `advance` lets time pass for the limiter. Real time passes as well, and must stay within a tenth of `period`.
pub(super) async fn a_burst_passes_and_the_next_waits(
    limiter: &dyn RateLimiter,
    period: Duration,
    advance: impl AsyncFn(Duration),
) {
    let (rate, slack) = (five_in(period), period / 10);
    for left in (0..5).rev() {
        let Decision::Allowed { remaining, whole_after } = take(limiter, "a", rate).await else { panic!("refused") };
        let whole = period / 5 * (5 - left);
        assert_eq!(remaining, left);
        assert!(whole_after <= whole && whole_after > whole - slack, "{whole_after:?} of {whole:?}");
    }
    let Decision::Limited { retry_after } = take(limiter, "a", rate).await else { panic!("the sixth passed") };
    assert!(retry_after <= period / 5 && retry_after > period / 5 - slack, "{retry_after:?}");
    advance(retry_after - slack).await;
    assert!(!take(limiter, "a", rate).await.is_allowed(), "it came back early");
    advance(slack).await;
    assert!(take(limiter, "a", rate).await.is_allowed(), "what Retry-After said must hold");
    assert!(!take(limiter, "a", rate).await.is_allowed(), "one came back, not two");
    advance(period).await;
    for _ in 0..5 {
        assert!(take(limiter, "a", rate).await.is_allowed(), "after a period all have come back");
    }
}

pub(super) async fn keys_and_rates_are_counted_apart(limiter: &dyn RateLimiter) {
    let rate = five_in(Duration::from_secs(60));
    for _ in 0..6 {
        take(limiter, "b", rate).await;
    }
    assert!(take(limiter, "c", rate).await.is_allowed());
    let other = Rate { burst: NonZeroU32::MIN, ..rate };
    assert!(take(limiter, "b", other).await.is_allowed());
}

/// Each of `limiters` is a caller of its own.
pub(super) async fn parallel_takers_share_one_allowance(limiters: &[Arc<dyn RateLimiter>]) {
    let mut tasks = JoinSet::new();
    for limiter in limiters.iter().cycle().take(100) {
        let limiter = limiter.clone();
        tasks.spawn(async move { take(&*limiter, "d", five_in(Duration::from_secs(60))).await.is_allowed() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|passed| *passed).count(), 5);
}

pub(super) async fn no_rate_is_too_odd(limiter: &dyn RateLimiter) {
    let rate = |burst, period| Rate { burst: NonZeroU32::new(burst).expect("not zero"), period };
    let odd = [rate(1, Duration::ZERO), rate(u32::MAX, Duration::from_nanos(1)), rate(1, Duration::MAX)];
    for rate in odd.into_iter().chain([rate(u32::MAX, Duration::MAX)]) {
        assert!(take(limiter, "e", rate).await.is_allowed(), "{rate:?}");
    }
}
