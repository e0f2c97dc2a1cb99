//! What every replay guard keeps, whatever it is made of.

use std::{sync::Arc, time::Duration};

use podling_session::{
    id::{AttachNonce, TokenId},
    replay::{Claim, ReplayGuard},
};
use tokio::{sync::Barrier, task::JoinSet};

pub(crate) const LIFE: Duration = Duration::from_secs(900);

pub(crate) async fn of_200_parallel_claims_one_is_first(guard: Arc<dyn ReplayGuard>) {
    let (id, start) = (TokenId::new(), Arc::new(Barrier::new(200)));
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let (guard, start) = (guard.clone(), start.clone());
        tasks.spawn(async move {
            start.wait().await;
            guard.claim(id, AttachNonce::random(), LIFE).await.expect("the guard answers")
        });
    }
    let claims = tasks.join_all().await;
    let count = |claim| claims.iter().filter(|got| **got == claim).count();
    assert_eq!((count(Claim::First), count(Claim::Again), count(Claim::Spent)), (1, 0, 199));
}

pub(crate) async fn the_same_nonce_may_claim_again_and_no_other(guard: Arc<dyn ReplayGuard>) {
    let (id, nonce) = (TokenId::new(), AttachNonce::random());
    let claim = |nonce| guard.claim(id, nonce, LIFE);
    assert_eq!(claim(nonce).await.expect("the guard answers"), Claim::First);
    assert_eq!(claim(nonce).await.expect("the guard answers"), Claim::Again);
    assert_eq!(claim(AttachNonce::random()).await.expect("the guard answers"), Claim::Spent);
    assert_eq!(claim(nonce).await.expect("the guard answers"), Claim::Again);
}

pub(crate) async fn tokens_are_claimed_apart(guard: Arc<dyn ReplayGuard>) {
    let nonce = AttachNonce::random();
    for _ in 0..10 {
        assert_eq!(guard.claim(TokenId::new(), nonce, LIFE).await.expect("the guard answers"), Claim::First);
    }
}

/// A claim outlives every moment of its token's life, and is gone soon after. Takes three seconds.
pub(crate) async fn a_claim_is_kept_as_long_as_its_token_lives_and_no_longer(guard: Arc<dyn ReplayGuard>) {
    let (id, second) = (TokenId::new(), Duration::from_secs(1));
    let claim = |life| guard.claim(id, AttachNonce::random(), life);
    let started = tokio::time::Instant::now();
    assert_eq!(claim(second * 2).await.expect("the guard answers"), Claim::First);
    loop {
        let claimed = claim(second * 2).await.expect("the guard answers");
        let age = started.elapsed();
        match claimed {
            Claim::Spent => assert!(age < second * 5, "still claimed after {age:?}"),
            Claim::First => return assert!(age >= second * 2, "forgotten after {age:?}"),
            Claim::Again => panic!("another nonce's claim"),
        }
        tokio::time::sleep(second / 20).await;
    }
}
