//! The control stream: what a runner is given, and how it is told to stop.

use std::{path::Path, time::Duration};

use podling_proto::control::{Heartbeat, Order, order};
use podling_session::{session::Session, store::SessionStore};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::world::{World, bearing, next, stopped};
use crate::wait::until;

pub(super) struct Line {
    heartbeats: mpsc::Sender<Heartbeat>,
    orders: Streaming<Order>,
}

impl Line {
    pub(super) async fn open(world: &World, credential: &str) -> Line {
        let (heartbeats, outbound) = mpsc::channel(4);
        let request = bearing(credential, ReceiverStream::new(outbound));
        let orders = world.runners().control(request).await.expect("accepted").into_inner();
        Line { heartbeats, orders }
    }

    pub(super) async fn order(&mut self) -> Option<order::Order> {
        next(&mut self.orders).await.expect("no error").map(|order| order.order.expect("one of them"))
    }

    async fn beat(&mut self) -> Option<order::Order> {
        let heartbeat = Heartbeat { idle_millis: 10, viewers: 2, log_end: 33 };
        self.heartbeats.send(heartbeat).await.expect("the stream is open");
        self.order().await
    }
}

fn stop_reason(order: Option<order::Order>) -> String {
    match order {
        Some(order::Order::Stop(stop)) => stop.reason,
        other => panic!("not a stop: {other:?}"),
    }
}

async fn assigned(world: &World, session: &Session) -> Line {
    let credential = world.register(session).await;
    let mut line = Line::open(world, &credential).await;
    assert!(matches!(line.order().await, Some(order::Order::Assign(_))));
    line
}

#[tokio::test]
async fn spec_and_secrets_reach_the_runner_over_its_stream_and_lie_nowhere() {
    let world = World::start().await;
    let session = world.create(&[("API_KEY", "planted-secret-value")]).await;
    let credential = world.register(&session).await;
    let mut line = Line::open(&world, &credential).await;
    let Some(order::Order::Assign(assign)) = line.order().await else { panic!("not assigned") };
    assert_eq!((assign.uid, assign.incarnation), (session.uid.to_string(), 1));
    assert_eq!(assign.secrets["API_KEY"], "planted-secret-value");
    assert_eq!(assign.grant_key.as_ref(), world.key(session.uid).await.grant_key().expose());
    let spec = assign.spec.expect("a spec");
    assert_eq!((spec.command.as_str(), spec.env["GREETING"].as_str()), ("true", "hello"));
    assert!(!holds(world.directory.path(), b"planted-secret-value"));
}

#[tokio::test]
async fn a_heartbeat_is_stored_and_answered_with_the_time() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut line = assigned(&world, &session).await;
    let Some(order::Order::Beat(beat)) = line.beat().await else { panic!("not answered") };
    assert!(jiff::Timestamp::now().as_microsecond().abs_diff(beat.now_micros) < 10_000_000);
    until("the heartbeat stored", Duration::from_secs(3), async || {
        let now = world.find(session.uid).await;
        ((now.viewers, now.log.end) == (2, 33)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_down_ends_no_runner() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut line = assigned(&world, &session).await;
    world.store.close().await;
    assert!(matches!(line.beat().await, Some(order::Order::Beat(_))));
    assert!(matches!(line.beat().await, Some(order::Order::Beat(_))));
}

#[tokio::test]
async fn a_stop_reaches_an_open_stream_at_once() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut line = assigned(&world, &session).await;
    let told = world.core.orders.stop(session.life(), &stopped(), Duration::from_secs(3));
    assert!(told);
    let Some(order::Order::Stop(stop)) = line.order().await else { panic!("not stopped") };
    assert_eq!((stop.reason.as_str(), stop.grace_millis), ("stopped", 3_000));
}

#[tokio::test]
async fn the_heartbeat_of_an_ended_session_brings_its_end_once() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut line = assigned(&world, &session).await;
    world.store.delete(&session.owner.clone().into(), &session.id, stopped()).await.expect("the store answers");
    let stop = until("the end told", Duration::from_secs(3), async || match line.beat().await {
        Some(order::Order::Beat(_)) => None,
        answer => Some(answer),
    })
    .await;
    assert_eq!(stop_reason(stop), "stopped");
    assert!(matches!(line.beat().await, Some(order::Order::Beat(_))), "a runner that settles is not silent");
}

#[tokio::test]
async fn a_runner_that_connects_after_the_end_is_told_to_stop() {
    let world = World::start().await;
    let session = world.create(&[("API_KEY", "x")]).await;
    let credential = world.register(&session).await;
    world.end(session.life(), &stopped()).await;
    let mut line = Line::open(&world, &credential).await;
    assert_eq!(stop_reason(line.order().await), "stopped");
}

#[tokio::test]
async fn a_newer_stream_ends_the_older() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let mut older = Line::open(&world, &credential).await;
    older.order().await.expect("assigned");
    let mut newer = Line::open(&world, &credential).await;
    assert!(matches!(newer.order().await, Some(order::Order::Assign(_))), "the same again");
    assert_eq!(older.order().await, None);
    assert!(world.core.orders.connected(session.life()));
}

/// Whether some file below a directory holds these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(directory).expect("readable");
    entries.map(|entry| entry.expect("readable").path()).any(|path| {
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let plain = std::fs::metadata(&path).is_ok_and(|data| data.is_file());
        plain && std::fs::read(&path).expect("readable").windows(bytes.len()).any(|part| part == bytes)
    })
}
