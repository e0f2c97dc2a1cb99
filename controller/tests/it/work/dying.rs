//! A runner that dies is noticed, and its session ends as the log says, or as lost.

use bytes::BytesMut;
use podling_session::{
    log::{Body, Header, Record, log_path, segment_file},
    phase::{End, EndReason},
    session::Session,
};

use super::world::{OBEDIENT, SHORT, World};

async fn end(world: &World, session: &Session) -> End {
    let ended = world.until(session, "ended", |now| now.phase.end().is_some()).await;
    ended.phase.end().expect("it has ended").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_killed_is_lost() {
    let world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    world.kill_runner(&session).await;
    assert_eq!(end(&world, &session).await, End::because(EndReason::RunnerLost));
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_dies_at_its_start_is_lost() {
    let world = World::start(SHORT).await;
    let session = world.create().await;
    assert_eq!(end(&world, &session).await.reason, EndReason::RunnerLost);
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_died_before_it_could_report_the_exit_is_believed() {
    let world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    let mut segment = BytesMut::from(&Header { sequence: 0, first_offset: 0, previous: [0; 32] }.encode()[..]);
    Record { offset: 0, time_millis: 0, body: Body::Output("hi\r\n".into()) }.encode(&mut segment);
    Record { offset: 4, time_millis: 0, body: Body::Exit(End::exit(3)) }.encode(&mut segment);
    let log = world.data.path().join("blobs").join(log_path(&session.owner.tenant, session.life()));
    std::fs::create_dir_all(&log).expect("a directory");
    std::fs::write(log.join(segment_file(0)), segment).expect("as a runner writes it");
    world.kill_runner(&session).await;
    assert_eq!(end(&world, &session).await, End::exit(3));
    world.nothing_left().await;
    assert_eq!(world.core().system.segments(session.life()).await.expect("the store answers").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_vanished_is_lost() {
    let world = World::start(OBEDIENT).await;
    let session = world.create().await;
    world.started(&session).await;
    world.kill_runner(&session).await;
    std::fs::remove_dir_all(&world.directories()[0]).expect("removed by hand");
    assert_eq!(end(&world, &session).await.reason, EndReason::RunnerLost);
    world.nothing_left().await;
}
