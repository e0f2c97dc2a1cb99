//! However a session ends, nothing is left of it. The quota of one session tells whether its counter went down.

use podling_session::{phase::EndReason, session::Release};

use super::world::{OBEDIENT, STUBBORN, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_created_session_is_launched_with_nobody_waiting() {
    let mut world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    let row = world.core().system.runner_of(session.life()).await.expect("the store answers");
    assert_eq!(row.expect("written by the launch").id, world.core().seal.runner_id(&session.life().launch_name()));
    world.drain().await;
    assert!(world.directories().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_deleted_at_any_step_leaves_nothing() {
    let mut world = World::start(OBEDIENT).await;
    let at_once = world.create().await;
    world.delete(&at_once).await;
    world.nothing_left().await;

    let when_it_has_a_directory = world.create().await;
    world.until(&when_it_has_a_directory, "launching", |_| !world.directories().is_empty()).await;
    world.delete(&when_it_has_a_directory).await;
    world.nothing_left().await;

    let when_launched = world.create().await;
    world.started(&when_launched).await;
    world.delete(&when_launched).await;
    world.nothing_left().await;

    world.create().await; // The quota of one is free.
    world.drain().await;
    assert!(world.directories().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_does_not_stop_is_killed_and_its_session_released() {
    let world = World::start(STUBBORN).await;
    let session = world.create().await;
    world.started(&session).await;
    world.delete(&session).await;
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_every_session_as_stopped() {
    let mut world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    world.drain().await;
    assert!(world.directories().is_empty());
    world.start_again().await;
    let session = world.until(&session, "released", |now| now.release == Release::Released).await;
    let end = session.phase.end().expect("it has ended");
    assert_eq!((end.reason, end.detail.as_str()), (EndReason::Stopped, "Podling was shut down."));
}
