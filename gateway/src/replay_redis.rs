//! The replay guard of gateways that are many: what was claimed is kept in Redis until the token has died.
//!
//! A claim that is answered `Unavailable` may have been written all the same, its answer lost. The same nonce then gets
//! `Again`, so nobody is locked out by it. A Redis that forgets, by failing over to a replica that lacks the last
//! second, by losing its disk or by evicting, lets a token be claimed twice; the runner, which keeps the nonce of each
//! viewer, then refuses the second.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use podling_daemon::redis::Redis;
use podling_session::{
    id::{AttachNonce, TokenId},
    replay::{Claim, ReplayGuard, Unavailable},
};
use redis::{Cmd, cmd};

pub struct RedisReplayGuard {
    redis: Arc<Redis>,
}

impl RedisReplayGuard {
    pub fn new(redis: Arc<Redis>) -> RedisReplayGuard {
        RedisReplayGuard { redis }
    }
}

#[async_trait]
impl ReplayGuard for RedisReplayGuard {
    async fn claim(&self, id: TokenId, nonce: AttachNonce, life: Duration) -> Result<Claim, Unavailable> {
        let earlier: Option<String> =
            self.redis.ask(&claim(id, nonce, life)).await.map_err(|error| Unavailable(error.into()))?;
        Ok(match earlier {
            None => Claim::First,
            Some(first) if first == nonce.to_string() => Claim::Again,
            Some(_) => Claim::Spent,
        })
    }
}

/// Sets what is not set, and answers with what was: one command, and therefore atomic over all gateways.
fn claim(id: TokenId, nonce: AttachNonce, life: Duration) -> Cmd {
    // A fraction of a second counts as one, and Redis takes no zero.
    let seconds = life.as_secs() + u64::from(life.subsec_nanos() > 0 || life.is_zero());
    let mut command = cmd("SET");
    command.arg(format!("token:{id}")).arg(nonce.to_string()).arg(&["NX", "GET", "EX"]).arg(seconds);
    command
}

#[cfg(test)]
mod tests {
    use podling_daemon::redis::Redis as Shared;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::replay_contract::{self as contract, LIFE};

    const SECOND: Duration = Duration::from_secs(1);

    fn guard(server: &podling_servers::Redis) -> Arc<dyn ReplayGuard> {
        let url = server.url().parse().expect("a URL");
        Arc::new(RedisReplayGuard::new(Arc::new(Shared::new(&url, None).expect("no certificates"))))
    }

    async fn tell(server: &podling_servers::Redis, words: &[&str]) {
        let url = server.url().parse().expect("a URL");
        let mut command = Cmd::new();
        command.arg(words);
        Shared::new(&url, None).expect("no certificates").ask::<redis::Value>(&command).await.expect("Redis obeys");
    }

    async fn fresh(guard: &Arc<dyn ReplayGuard>) -> Result<Claim, Unavailable> {
        guard.claim(TokenId::new(), AttachNonce::random(), LIFE).await
    }

    /// Refuses within a second.
    async fn refuses(guard: &Arc<dyn ReplayGuard>, why: &str) {
        let refused = timeout(SECOND, fresh(guard)).await.unwrap_or_else(|_| panic!("no answer in time: {why}"));
        assert!(refused.is_err(), "it claims: {why}");
    }

    async fn recovers(guard: &Arc<dyn ReplayGuard>, why: &str) {
        let started = Instant::now();
        while !matches!(fresh(guard).await, Ok(Claim::First)) {
            assert!(started.elapsed() < SECOND, "still down: {why}");
            sleep(SECOND / 50).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_200_parallel_claims_one_is_first() {
        let server = podling_servers::Redis::start();
        for _ in 0..50 {
            contract::of_200_parallel_claims_one_is_first(guard(&server)).await;
        }
    }

    #[tokio::test]
    async fn the_same_nonce_may_claim_again_and_no_other() {
        contract::the_same_nonce_may_claim_again_and_no_other(guard(&podling_servers::Redis::start())).await;
    }

    #[tokio::test]
    async fn tokens_are_claimed_apart() {
        contract::tokens_are_claimed_apart(guard(&podling_servers::Redis::start())).await;
    }

    #[tokio::test]
    async fn a_claim_is_kept_as_long_as_its_token_lives_and_no_longer() {
        let server = podling_servers::Redis::start();
        contract::a_claim_is_kept_as_long_as_its_token_lives_and_no_longer(guard(&server)).await;
    }

    #[tokio::test]
    async fn without_redis_it_refuses_within_a_second_and_recovers_by_itself() {
        let mut server = podling_servers::Redis::start();
        let guard = guard(&server);
        recovers(&guard, "at first").await;
        server.kill();
        refuses(&guard, "killed").await;
        server.restart();
        recovers(&guard, "restarted").await;
        server.pause();
        refuses(&guard, "stopped").await;
        refuses(&guard, "still stopped").await;
        server.resume();
        recovers(&guard, "continued").await;
    }

    #[tokio::test]
    async fn a_redis_that_cannot_write_claims_nothing_and_recovers() {
        let server = podling_servers::Redis::start();
        let guard = guard(&server);
        recovers(&guard, "at first").await;
        for (wrong, right) in [
            (["REPLICAOF", "127.0.0.1", "1"].as_slice(), ["REPLICAOF", "NO", "ONE"].as_slice()),
            (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]),
        ] {
            tell(&server, wrong).await;
            refuses(&guard, wrong[0]).await;
            tell(&server, right).await;
            recovers(&guard, right[0]).await;
        }
    }

    #[tokio::test]
    async fn a_claim_whose_answer_was_lost_is_its_nonces_own() {
        let server = podling_servers::Redis::start();
        let guard = guard(&server);
        recovers(&guard, "at first").await;
        let (id, nonce) = (TokenId::new(), AttachNonce::random());
        server.pause();
        guard.claim(id, nonce, LIFE).await.expect_err("it is stopped");
        server.resume();
        recovers(&guard, "continued").await;
        let claim = guard.claim(id, nonce, LIFE).await.expect("the guard answers");
        assert!(matches!(claim, Claim::First | Claim::Again), "{claim:?}");
        assert_eq!(guard.claim(id, AttachNonce::random(), LIFE).await.expect("the guard answers"), Claim::Spent);
    }
}
