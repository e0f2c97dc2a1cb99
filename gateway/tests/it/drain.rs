//! A gateway that is told to go hands its viewers to another of the same controller.

use std::{sync::Arc, time::Duration};

use podling_gateway::Limits;
use podling_session::frame::{ClientFrame, ServerFrame};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    client::{Client, attached, connect_at},
    world::{Door, World, limits},
};

const VIEWERS: usize = 60;
const LINES: usize = 400;
const SPREAD: Duration = Duration::from_secs(2);

fn line(number: usize) -> String {
    format!("line {number}\r\n")
}

/// What a viewer saw, and what became of it.
#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    /// When it was sent away, and how long until it was let in elsewhere.
    away: Option<(Instant, Duration)>,
}

/// Reads until the session ends, and goes on at the other gateway when it is sent away.
async fn watch(mut client: Client, mut token: String, other: Arc<Door>, uid: String) -> Seen {
    let mut seen = Seen::default();
    loop {
        match client.frame().await {
            Ok(ServerFrame::Output { offset, bytes, .. }) => {
                assert_eq!(offset, seen.bytes.len() as u64, "no gap, no overlap");
                seen.bytes.extend_from_slice(&bytes);
                client.send(&ClientFrame::Ack { offset: seen.bytes.len() as u64 }).await;
            }
            Ok(ServerFrame::Resume { generation, token: next }) => {
                client.send(&ClientFrame::ResumeAck { generation }).await;
                token = next;
            }
            Ok(_) => {}
            Err(end) if end.code == 1001 && seen.away.is_none() => {
                let sent_away = Instant::now();
                let (offer, query) = (format!("podling.v1, resume, {token}"), format!("from={}", seen.bytes.len()));
                client = connect_at(other.address, &uid, &offer, &query).await.expect("the other has room");
                token = client.take_resume().await;
                seen.away = Some((sent_away, sent_away.elapsed()));
            }
            Err(end) => {
                assert_eq!(end.code, 1000, "{end:?}");
                return seen;
            }
        }
    }
}

/// A line every few milliseconds, until told to end after at least the first.
async fn talk(world: &World, mut enough: watch::Receiver<bool>) -> usize {
    for number in 0.. {
        world.log.say(line(number));
        if number >= LINES && *enough.borrow_and_update() {
            world.log.end("exit", Some(0));
            return number + 1;
        }
        sleep(Duration::from_millis(5)).await;
    }
    unreachable!("there are more numbers than lines")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_hands_each_viewer_to_another_gateway_within_a_second_with_nothing_lost_or_doubled() {
    assert_eq!(Limits::default().drain_spread.as_secs(), 10);
    let world = World::with(Limits { drain_spread: SPREAD, ..limits() }).await;
    let other = Arc::new(world.door(world.guard.clone()).await);
    let mut watching = JoinSet::new();
    for _ in 0..VIEWERS {
        let (client, token) = attached(&world).await;
        watching.spawn(watch(client, token, Arc::clone(&other), world.uid.to_string()));
    }
    let (tell, told) = watch::channel(false);
    let drained = async {
        sleep(Duration::from_millis(100)).await; // In the middle of what is said.
        let began = Instant::now();
        world.gateway.drain().await;
        assert_eq!((world.gateway.sockets(), other.gateway.sockets()), (0, VIEWERS));
        tell.send_replace(true);
        began
    };
    let (began, lines) = tokio::join!(drained, talk(&world, told));
    let expected: String = (0..lines).map(line).collect();
    let mut quarters = [0; 4];
    for seen in watching.join_all().await {
        assert!(seen.bytes == expected.as_bytes(), "{} of {} bytes", seen.bytes.len(), expected.len());
        let (sent_away, took) = seen.away.expect("everyone is sent away");
        assert!(took < Duration::from_secs(1), "it took {took:?} to be let in elsewhere");
        let quarter = (sent_away - began).as_millis() * 4 / SPREAD.as_millis();
        quarters[usize::try_from(quarter).expect("small").min(3)] += 1;
    }
    assert!(quarters.iter().all(|count| (1..VIEWERS * 2 / 3).contains(count)), "not spread over time: {quarters:?}");
}
