//! The rate limiter of controllers that are many: GCRA in one script, in Redis' own clock.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use podling_daemon::redis::Redis;
use podling_session::limit::{Decision, Rate, RateLimiter, Unavailable};
use redis::{Cmd, cmd};
use sha2::{Digest, Sha256};

use super::{LONGEST_PERIOD, one_per};

/// The shortest time that Redis' clock tells apart.
const TICK: Duration = Duration::from_micros(1);
/// One key for each caller and rate, gone when its allowance is whole again. Its value is the time, in microseconds, at
/// which that will be so. Answers with the microseconds to wait, or 0; how many more pass; and the microseconds until it
/// is whole.
const SCRIPT: &str = include_str!("gcra.lua");

pub struct RedisRateLimiter {
    redis: Arc<Redis>,
}

impl RedisRateLimiter {
    pub fn new(redis: Arc<Redis>) -> RedisRateLimiter {
        RedisRateLimiter { redis }
    }
}

#[async_trait]
impl RateLimiter for RedisRateLimiter {
    async fn take(&self, key: &str, rate: Rate) -> Result<Decision, Unavailable> {
        let (wait, remaining, missing): (u64, u32, u64) =
            self.redis.ask(&take(key, rate)).await.map_err(|error| Unavailable(error.into()))?;
        Ok(match wait {
            0 => Decision::Allowed { remaining, whole_after: Duration::from_micros(missing) },
            micros => Decision::Limited { retry_after: Duration::from_micros(micros) },
        })
    }
}

fn take(key: &str, rate: Rate) -> Cmd {
    let micros = |span: Duration| u64::try_from(span.as_micros()).expect("it is a year at most");
    let one = one_per(rate, TICK);
    let whole = one.saturating_mul(rate.burst.get()).min(LONGEST_PERIOD);
    let mut command = cmd("EVAL");
    command.arg(SCRIPT).arg(1).arg(name(key, rate)).arg(micros(one)).arg(micros(whole));
    command
}

/// Who called is nobody's business in Redis, and may be of any length.
fn name(key: &str, rate: Rate) -> String {
    let mut hash = Sha256::new();
    hash.update(rate.burst.get().to_be_bytes());
    hash.update(rate.period.as_nanos().to_be_bytes());
    hash.update(key);
    let hash: [u8; 32] = hash.finalize().into();
    let (half, _) = hash.split_at(16);
    format!("rate:{}", half.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::limit::contract;

    fn limiter(server: &podling_servers::Redis) -> RedisRateLimiter {
        let url = server.url().parse().expect("a URL");
        RedisRateLimiter::new(Arc::new(Redis::new(&url, None).expect("no certificates")))
    }

    #[tokio::test]
    async fn a_burst_passes_and_the_next_waits() {
        let server = podling_servers::Redis::start();
        let period = Duration::from_secs(5);
        contract::a_burst_passes_and_the_next_waits(&limiter(&server), period, async |span| sleep(span).await).await;
    }

    #[tokio::test]
    async fn keys_and_rates_are_counted_apart() {
        contract::keys_and_rates_are_counted_apart(&limiter(&podling_servers::Redis::start())).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn parallel_takers_share_one_allowance() {
        let server = podling_servers::Redis::start();
        let limiters: Vec<Arc<dyn RateLimiter>> = vec![Arc::new(limiter(&server)), Arc::new(limiter(&server))];
        contract::parallel_takers_share_one_allowance(&limiters).await;
    }

    #[tokio::test]
    async fn no_rate_is_too_odd() {
        contract::no_rate_is_too_odd(&limiter(&podling_servers::Redis::start())).await;
    }

    #[tokio::test]
    async fn a_key_names_nobody_and_is_gone_with_what_it_counts() {
        let server = podling_servers::Redis::start();
        let limiter = limiter(&server);
        let rate = contract::five_in(Duration::from_millis(500));
        limiter.take("firebase:user:ann", rate).await.expect("the limiter answers");
        let keys: Vec<String> = limiter.redis.ask(cmd("KEYS").arg("*")).await.expect("Redis answers");
        assert_eq!(keys, [name("firebase:user:ann", rate)]);
        assert!(!keys[0].contains("ann"), "{keys:?}");
        let life: u64 = limiter.redis.ask(cmd("PTTL").arg(&keys[0])).await.expect("Redis answers");
        assert!((1..=100).contains(&life), "one of five comes back in 100 ms, and the key has {life}");
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_locks_nobody_out() {
        let server = podling_servers::Redis::start();
        let (limiter, rate) = (limiter(&server), contract::five_in(Duration::from_millis(500)));
        let far = "99999999999999999";
        let set: String = limiter.redis.ask(cmd("SET").arg(name("a", rate)).arg(far)).await.expect("Redis answers");
        assert_eq!(set, "OK");
        let Ok(Decision::Limited { retry_after }) = limiter.take("a", rate).await else { panic!("it passed") };
        assert!(retry_after <= rate.period / 5, "{retry_after:?}");
    }

    #[tokio::test]
    async fn without_redis_nothing_is_decided_and_it_recovers_by_itself() {
        let mut server = podling_servers::Redis::start();
        let (limiter, rate) = (limiter(&server), contract::five_in(Duration::from_secs(60)));
        limiter.take("a", rate).await.expect("the limiter answers");
        server.stop();
        assert!(limiter.take("a", rate).await.is_err());
        server.restart();
        assert!(limiter.take("a", rate).await.expect("the limiter answers").is_allowed());
    }
}
