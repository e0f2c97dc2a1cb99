//! A Postgres that is away, and comes back.

use std::time::Duration;

use podling_controller::store::Clock;
use podling_servers::Postgres as Server;
use podling_session::store::StoreError;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{Postgres, open_at, settings};
use crate::store::world::*;
use crate::wait::until;

/// A server of the test's own, with a store on it.
async fn own() -> (Server, Postgres) {
    let server = Server::start();
    let database = server.database().await;
    let world = open_at(&settings(&server, &database), Clock::default(), database).await;
    (server, world)
}

/// Thirty at once are refused within a second, and not for what is stored.
async fn refuses(world: &Postgres) {
    let mut tasks = JoinSet::new();
    for number in 0..30 {
        let store = world.store.clone();
        tasks.spawn(async move {
            let begun = Instant::now();
            let refused = match number % 2 {
                0 => store.create(new()).await.err(),
                _ => store.ping().await.err(),
            };
            assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
            begun.elapsed()
        });
    }
    let longest = tasks.join_all().await.into_iter().max();
    assert!(longest < Some(SECOND), "{longest:?}");
}

async fn recovers(world: &Postgres) {
    let back = Instant::now();
    until("its recovery", 5 * SECOND, async || world.store.create(new()).await.ok()).await;
    assert!(back.elapsed() < 5 * SECOND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_postgres_every_call_is_refused_within_a_second_and_served_5_s_after_its_return() {
    let (mut server, world) = own().await;
    let made = create(&world, new()).await;
    server.stop();
    refuses(&world).await;
    server.restart();
    recovers(&world).await;
    server.kill();
    refuses(&world).await;
    server.restart();
    recovers(&world).await;
    server.pause();
    refuses(&world).await;
    server.resume();
    recovers(&world).await;
    assert_eq!(find(&world, made.life()).await, made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_an_outage_changes_by_others_are_heard_again() {
    let (mut server, world) = own().await;
    let other = open_at(&settings(&server, &world.database), Clock::default(), world.database.clone()).await;
    let life = create(&world, new()).await.life();
    server.restart();
    recovers(&world).await;
    recovers(&other).await;
    // The listening connection is back within seconds, and from then on hears at once.
    let deadline = Instant::now() + 10 * SECOND;
    loop {
        let heard = world.store.changed();
        other.store.note(life.uid, "log.gap", "a test").await.expect("the store answers");
        if timeout(Duration::from_millis(200), heard).await.is_ok() {
            break;
        }
        assert!(Instant::now() < deadline, "it does not listen any more");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_gives_up_leaves_no_transaction_open_and_the_pool_whole() {
    let (_server, world) = own().await;
    for wait in 0..60 {
        let _ = timeout(Duration::from_micros(wait * 50), world.store.create(new())).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let store = world.store.clone();
        tasks.spawn(async move { store.create(new()).await.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|made| made));
}
