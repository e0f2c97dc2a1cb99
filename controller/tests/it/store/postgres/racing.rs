//! Two controllers on one database: what both do at once is done once.

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use podling_controller::store::Store;
use podling_session::{
    id::Incarnation,
    store::{Beat, Created, NewSession},
};
use tokio::task::JoinSet;

use super::{Postgres, fresh};
use crate::store::{keys::new_key, world::*};

const ROUNDS: usize = 20;

/// Two controllers that share a database.
async fn two() -> [Postgres; 2] {
    let one = fresh().await;
    let other = one.another().await;
    [one, other]
}

/// Asks the two in turn, `times` times and all at once.
async fn at_once<T: Send + 'static>(
    worlds: &[Postgres; 2],
    times: usize,
    ask: impl Fn(Arc<Store>, usize) -> BoxFuture<'static, T>,
) -> Vec<T> {
    let mut tasks = JoinSet::new();
    for number in 0..times {
        tasks.spawn(ask(worlds[number % 2].store.clone(), number));
    }
    tasks.join_all().await
}

fn count<T>(of: &[T], is: impl Fn(&T) -> bool) -> usize {
    of.iter().filter(|one| is(one)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_equal_requests_at_two_controllers_one_makes_a_session() {
    let worlds = two().await;
    let made = at_once(&worlds, 20, |store, _| {
        let new = NewSession { idempotency: repeatable("k", 1), ..new() };
        async move { store.create(new).await.expect("the store answers") }.boxed()
    })
    .await;
    assert_eq!(count(&made, |made| matches!(made, Created::New(_))), 1);
    assert_eq!(count(&made, |made| matches!(made, Created::Existing(_))), 19);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_20_that_want_one_id_at_two_controllers_one_has_it() {
    let worlds = two().await;
    for round in 0..ROUNDS {
        let made = at_once(&worlds, 20, |store, _| {
            let new = named(&format!("round-{round}"));
            async move { store.create(new).await.expect("the store answers") }.boxed()
        })
        .await;
        assert_eq!(count(&made, |made| matches!(made, Created::New(_))), 1);
        assert_eq!(count(&made, |made| *made == Created::IdTaken), 19);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_holds_at_two_controllers_while_a_third_prunes_counters() {
    let worlds = two().await;
    let pruner = worlds[0].another().await;
    for _ in 0..ROUNDS {
        let pruning = async {
            for _ in 0..10 {
                pruner.store.sweep(DAY, MINUTE).await.expect("the store answers");
            }
        };
        let creating = at_once(&worlds, 10, |store, _| {
            let new = NewSession { max_per_owner: 3, ..new() };
            async move { store.create(new).await.expect("the store answers") }.boxed()
        });
        let (made, ()) = tokio::join!(creating, pruning);
        assert_eq!(count(&made, |made| matches!(made, Created::New(_))), 3, "{made:?}");
        for held in worlds[0].store.held().await.expect("the store answers") {
            assert!(end(&worlds[0], held.life).await && release(&worlds[1], held.life).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_key_is_added_by_one_of_two_controllers() {
    for _ in 0..5 {
        let worlds = two().await;
        let added = at_once(&worlds, 8, |store, number| {
            let name = format!("key{number}");
            async move { store.add_first_key(&new_key(&name)).await.expect("it answers") }.boxed()
        })
        .await;
        assert_eq!(count(&added, |added| *added), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn work_is_claimed_and_released_by_one_of_two_controllers() {
    let worlds = two().await;
    let mut lives = Vec::new();
    for _ in 0..20 {
        let life = create(&worlds[0], new()).await.life();
        assert!(end(&worlds[1], life).await);
        lives.push(life);
    }
    let claims = at_once(&worlds, 40, |store, _| {
        async move { store.claim_work(MINUTE).await.expect("the store answers") }.boxed()
    })
    .await;
    let mut uids: Vec<_> = claims.iter().flatten().map(|claim| claim.work.session().uid).collect();
    uids.sort();
    uids.dedup();
    assert_eq!((uids.len(), count(&claims, Option::is_some)), (20, 20));
    let released = at_once(&worlds, 40, move |store, number| {
        let life = lives[number / 2];
        async move { store.release(life).await.expect("the store answers") }.boxed()
    })
    .await;
    assert_eq!(count(&released, |released| *released), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_controllers_that_sweep_at_once_end_and_prune_each_session_once() {
    let worlds = two().await;
    let mut lives = Vec::new();
    for _ in 0..50 {
        lives.push(run(&worlds[0], new()).await.life());
    }
    worlds.iter().for_each(|world| world.advance(2 * HOUR));
    let sweep = |store: Arc<Store>, _| async move { store.sweep(DAY, MINUTE).await.expect("it answers") }.boxed();
    let swept = at_once(&worlds, 8, sweep).await;
    assert_eq!(swept.iter().map(|swept| swept.ended.len()).sum::<usize>(), 50);
    for life in &lives {
        assert!(release(&worlds[1], *life).await);
    }
    worlds.iter().for_each(|world| world.advance(2 * DAY));
    let swept = at_once(&worlds, 8, sweep).await;
    assert_eq!(swept.iter().map(|swept| swept.pruned.len()).sum::<usize>(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heartbeats_ends_and_sweeps_of_the_same_sessions_do_not_stop_each_other() {
    let worlds = two().await;
    let mut lives = Vec::new();
    for _ in 0..30 {
        lives.push(run(&worlds[0], new()).await.life());
    }
    let lives: Arc<[Incarnation]> = lives.into();
    at_once(&worlds, 60, |store, number| {
        let lives = lives.clone();
        async move {
            let beat = Beat { idle_for: Duration::ZERO, viewers: 1, log_end: 1 };
            let mut beats: Vec<_> = lives.iter().map(|life| (*life, beat)).collect();
            beats.rotate_left(number % 30); // Whichever comes first here, the rows are locked in one order.
            match number % 3 {
                0 => drop(store.beats(&beats).await.expect("the store answers")),
                1 => drop(store.sweep(DAY, MINUTE).await.expect("the store answers")),
                _ => assert!(store.end(lives[number / 3], &stopped()).await.expect("the store answers")),
            }
        }
        .boxed()
    })
    .await;
    let ended = worlds[0].store.held().await.expect("the store answers");
    assert_eq!(ended.len(), 30);
}
