//! The replay guard of a gateway that is alone: what was claimed is kept in memory until the token has died.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use jiff::Timestamp;
use podling_session::{
    id::{AttachNonce, TokenId},
    replay::{Claim, ReplayGuard, Unavailable},
};

/// About 40 MB of claims. Only tokens that the controller signed come this far, so reaching it means that something is
/// wrong, and then new viewers are refused rather than old claims forgotten.
const MAX_CLAIMS: usize = 250_000;

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the replay guard holds {MAX_CLAIMS} claims")]
struct Full;

/// Forgets everything when the process ends, and therefore refuses tokens that were made before it started.
pub struct MemoryReplayGuard {
    started_at: Timestamp,
    claims: Mutex<Claims>,
}

#[derive(Default)]
struct Claims {
    by_token: HashMap<TokenId, (AttachNonce, Instant)>,
    /// The same tokens in the order in which they die.
    by_expiry: BTreeSet<(Instant, TokenId)>,
}

impl MemoryReplayGuard {
    #[expect(clippy::new_without_default, reason = "a guard begins to know at the moment it is made")]
    pub fn new() -> MemoryReplayGuard {
        MemoryReplayGuard { started_at: Timestamp::now(), claims: Mutex::default() }
    }

    /// Forgets the claims on tokens that have died, which claims of others do as they come, so that they go without
    /// traffic too.
    pub fn sweep(&self) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).forget_dead(Instant::now());
    }
}

#[async_trait]
impl ReplayGuard for MemoryReplayGuard {
    async fn claim(&self, id: TokenId, nonce: AttachNonce, life: Duration) -> Result<Claim, Unavailable> {
        // A token of the millisecond in which the guard started counts as older: nobody can tell.
        if id.made_at() < self.started_at {
            return Ok(Claim::Spent);
        }
        // No claim is left half done: the lock protects plain insertions, which a panic elsewhere cannot tear.
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.claim(id, nonce, life, Instant::now()).map_err(|full| Unavailable(full.into()))
    }
}

impl Claims {
    fn claim(&mut self, id: TokenId, nonce: AttachNonce, life: Duration, now: Instant) -> Result<Claim, Full> {
        self.forget_dead(now);
        if let Some((first, _)) = self.by_token.get(&id) {
            return Ok(if *first == nonce { Claim::Again } else { Claim::Spent });
        }
        if self.by_token.len() >= MAX_CLAIMS {
            return Err(Full);
        }
        let expires = now + life;
        self.by_token.insert(id, (nonce, expires));
        self.by_expiry.insert((expires, id));
        Ok(Claim::First)
    }

    fn forget_dead(&mut self, now: Instant) {
        while let Some((expires, id)) = self.by_expiry.first().copied().filter(|(expires, _)| *expires <= now) {
            self.by_expiry.remove(&(expires, id));
            self.by_token.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::replay_contract as contract;

    /// A guard whose start lies behind every token that a test makes.
    fn guard() -> Arc<dyn ReplayGuard> {
        let started_at = Timestamp::now() - Duration::from_secs(1);
        Arc::new(MemoryReplayGuard { started_at, claims: Mutex::default() })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_200_parallel_claims_one_is_first() {
        for _ in 0..50 {
            contract::of_200_parallel_claims_one_is_first(guard()).await;
        }
    }

    #[tokio::test]
    async fn the_same_nonce_may_claim_again_and_no_other() {
        contract::the_same_nonce_may_claim_again_and_no_other(guard()).await;
    }

    #[tokio::test]
    async fn tokens_are_claimed_apart() {
        contract::tokens_are_claimed_apart(guard()).await;
    }

    #[tokio::test]
    async fn a_token_older_than_the_guard_is_spent() {
        let id = TokenId::new();
        let young = MemoryReplayGuard { started_at: id.made_at() + Duration::from_millis(1), claims: Mutex::default() };
        let claim = young.claim(id, AttachNonce::random(), Duration::from_secs(900)).await;
        assert_eq!(claim.expect("the guard answers"), Claim::Spent);
    }

    #[tokio::test]
    async fn a_claim_is_kept_as_long_as_its_token_lives_and_no_longer() {
        contract::a_claim_is_kept_as_long_as_its_token_lives_and_no_longer(guard()).await;
    }

    #[test]
    fn claims_are_forgotten_in_the_order_in_which_their_tokens_die() {
        let (mut claims, now) = (Claims::default(), Instant::now());
        let (short, long, other) = (TokenId::new(), TokenId::new(), AttachNonce::random());
        let second = Duration::from_secs(1);
        claims.claim(long, AttachNonce::random(), second * 9, now).expect("there is room");
        claims.claim(short, AttachNonce::random(), second * 3, now).expect("there is room");
        assert_eq!(claims.claim(short, other, second * 3, now + second * 2).expect("known"), Claim::Spent);
        assert_eq!(claims.claim(long, other, second * 9, now + second * 4).expect("known"), Claim::Spent);
        assert_eq!((claims.by_token.len(), claims.by_expiry.len()), (1, 1));
    }

    #[test]
    fn a_full_guard_refuses_new_tokens_and_still_knows_the_old() {
        let (mut claims, now, life) = (Claims::default(), Instant::now(), Duration::from_secs(900));
        let (id, nonce) = (TokenId::new(), AttachNonce::random());
        claims.claim(id, nonce, life, now).expect("there is room");
        while claims.by_token.len() < MAX_CLAIMS {
            claims.claim(TokenId::new(), nonce, life, now).expect("there is room");
        }
        assert!(claims.claim(TokenId::new(), nonce, life, now).is_err());
        assert_eq!(claims.claim(id, AttachNonce::random(), life, now).expect("known"), Claim::Spent);
        claims.claim(TokenId::new(), nonce, life, now + life).expect("the dead made room");
    }
}
