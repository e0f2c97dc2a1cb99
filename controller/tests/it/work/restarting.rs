//! A controller that comes back goes on where the last one was.

use super::world::{OBEDIENT, World};

#[tokio::test(flavor = "multi_thread")]
async fn runners_are_adopted_by_the_next_controller() {
    let mut world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    let pid = world.pid(&session).await;
    world.stop().await;
    world.start_again().await;
    let now = world.started(&session).await;
    assert!(now.phase.end().is_none() && world.pid(&session).await == pid);
    world.delete(&session).await;
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_died_while_nobody_looked_is_lost() {
    let mut world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    world.stop().await;
    world.kill_runner(&session).await;
    world.start_again().await;
    world.until(&session, "ended", |now| now.phase.end().is_some()).await;
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runners_that_no_session_holds_are_stopped_and_removed() {
    let mut world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    world.stop().await;
    for file in ["podling.db", "podling.db-wal", "podling.db-shm"] {
        let _ = std::fs::remove_file(world.data.path().join(file)); // Not all of them are always there.
    }
    world.start_again().await;
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_a_cut_short_launch_left_is_removed() {
    let mut world = World::start(OBEDIENT).await;
    world.stop().await;
    let name = podling_session::id::Incarnation { uid: podling_session::id::Uid::new(), number: 1 }.launch_name();
    std::fs::create_dir_all(world.data.path().join("runners").join(name.as_str()).join("disk")).expect("a directory");
    world.start_again().await;
    world.nothing_left().await;
}
