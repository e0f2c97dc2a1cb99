//! What viewers see when their session's stream breaks.

use std::time::Duration;

use podling_gateway::Limits;
use podling_proto::terminal::{Closed, attach_response};
use podling_session::{
    frame::{ClientFrame, ServerFrame},
    refusal::close,
};

use crate::{
    client::{Client, attached, plain},
    controller::Place,
    world::{World, limits, until},
};

const LINES: usize = 20_000;

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(|line| format!("line {line}\r\n")).collect()
}

#[tokio::test]
async fn through_cuts_a_framed_viewer_sees_every_byte_once_on_one_socket() {
    let world = World::with(Limits { runner_patience: Duration::from_secs(30), ..limits() }).await;
    let (mut client, _) = attached(&world).await;
    let mut seen = Vec::new();
    for round in 0..10 {
        let part = LINES / 10;
        world.log.say(lines(round * part..(round + 1) * part));
        let (offset, bytes) = client.output().await.expect("output");
        assert_eq!(offset, seen.len() as u64, "no gap, no overlap");
        seen.extend_from_slice(&bytes);
        client.send(&ClientFrame::Ack { offset: seen.len() as u64 }).await;
        until(world.runner.accepted.subscribe(), |count| *count == round + 1).await;
        world.runner.cut();
    }
    world.log.end("exit", Some(0));
    while let Ok((offset, bytes)) = client.output().await {
        assert_eq!(offset, seen.len() as u64);
        seen.extend_from_slice(&bytes);
        client.send(&ClientFrame::Ack { offset: seen.len() as u64 }).await;
    }
    assert!(seen == lines(0..LINES).as_bytes(), "{} bytes", seen.len());
    // The last cut and the end race: the tenth stream may have told the end before it was cut.
    assert!((10..=11).contains(&*world.runner.accepted.borrow()));
}

#[tokio::test]
async fn through_cuts_a_plain_viewer_sees_every_byte_once() {
    let world = World::with(Limits { runner_patience: Duration::from_secs(30), ..limits() }).await;
    let mut client = plain(&world).await;
    let mut seen = Vec::new();
    for round in 0..5 {
        world.log.say(lines(round * 1000..(round + 1) * 1000));
        seen.extend_from_slice(&client.message().await.expect("output"));
        world.runner.cut();
    }
    world.log.end("exit", Some(0));
    let (rest, end) = client.read_to_end().await;
    seen.extend_from_slice(&rest);
    let expected = lines(0..5000) + "\r\n[podling] The command ended with exit code 0.\r\n";
    assert!(seen == expected.as_bytes(), "{} bytes", seen.len());
    assert_eq!(end.code, 1000);
}

/// Viewers of both kinds who have seen the first word.
async fn in_the_middle(world: &World) -> (Client, Client) {
    world.log.say("before ");
    let ((mut framed, _), mut plain) = (attached(world).await, plain(world).await);
    assert_eq!(framed.output().await, Ok((0, "before ".into())));
    plain.read_until("before ").await;
    (framed, plain)
}

#[tokio::test]
async fn a_dead_runner_leaves_its_viewers_with_the_stored_rest_and_a_clear_end() {
    let world = World::start().await;
    let (mut framed, mut plain) = in_the_middle(&world).await;
    world.runner.down.send_replace(true);
    world.runner.cut();
    world.log.say("death");
    world.log.end("runner-lost", None);
    world.controller.place.send_replace(Some(Place::Stored));
    assert_eq!(framed.output().await, Ok((7, "death".into())));
    let ServerFrame::Exit { json } = framed.frame().await.expect("exit") else { panic!("not exit") };
    assert_eq!(json, r#"{"reason":"runner-lost","exit_code":null,"detail":"The runner was lost."}"#);
    assert_eq!(framed.frame().await.expect_err("closed").reason, "runner-lost");
    let (bytes, end) = plain.read_to_end().await;
    assert_eq!(bytes, b"death\r\n[podling] The runner was lost.\r\n");
    assert_eq!((end.code, end.reason.as_str()), (1000, "runner-lost"));
}

#[tokio::test]
async fn a_runner_that_ends_leaves_slow_viewers_with_the_stored_rest_on_the_same_socket() {
    let world = World::start().await;
    let (mut framed, mut plain) = in_the_middle(&world).await;
    world.runner.down.send_replace(true);
    world.controller.place.send_replace(Some(Place::Stored));
    let closed = Closed { code: close::DRAINING.into(), reason: "the runner ends".into() };
    world.runner.tell(attach_response::Message::Closed(closed)).await;
    world.log.say("the rest");
    world.log.end("exit", Some(0));
    assert_eq!(framed.output().await, Ok((7, "the rest".into())));
    let ServerFrame::Exit { .. } = framed.frame().await.expect("exit") else { panic!("not exit") };
    assert_eq!(framed.frame().await.expect_err("closed").code, 1000);
    let (bytes, end) = plain.read_to_end().await;
    assert!(bytes.starts_with(b"the rest\r\n"), "{bytes:?}");
    assert_eq!(end.code, 1000);
}

#[tokio::test]
async fn a_runner_that_stays_away_is_shown_and_then_its_viewers_are_sent_on() {
    let world = World::start().await;
    let ((mut framed, _), mut plain) = (attached(&world).await, plain(&world).await);
    until(world.runner.accepted.subscribe(), |count| *count == 2).await;
    world.runner.down.send_replace(true);
    world.runner.cut();
    let mut shown = false;
    let end = loop {
        match framed.frame().await {
            Ok(ServerFrame::Stage { json }) => shown |= json.contains(r#""stage":"unreachable""#),
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert!(shown);
    assert_eq!(end.code, 1001);
    assert_eq!(plain.read_to_end().await.1.code, 1011);
}

#[tokio::test]
async fn a_runner_that_comes_back_goes_on_with_what_was_typed_meanwhile() {
    let world = World::start().await;
    let (mut client, _) = attached(&world).await;
    until(world.runner.accepted.subscribe(), |count| *count == 1).await;
    world.runner.down.send_replace(true);
    world.runner.cut();
    // The next resume frame tells that the gateway has noticed.
    while !matches!(client.frame().await, Ok(ServerFrame::Resume { .. })) {}
    client.send(&ClientFrame::Input("typed".into())).await;
    world.runner.down.send_replace(false);
    until(world.runner.input.subscribe(), |input| input == b"typed").await;
}

#[tokio::test]
async fn one_lost_runner_disturbs_no_other_viewer() {
    let (world, other) = (World::start().await, World::start().await);
    let (mut client, _) = attached(&world).await;
    other.controller.place.send_replace(Some(Place::Runner("unix:/nowhere/r.sock".into())));
    let (mut lost, _) = attached(&other).await;
    let end = loop {
        if let Err(end) = lost.frame().await {
            break end;
        }
    };
    assert_eq!(end.code, 1001);
    world.log.say("still here");
    assert_eq!(client.output().await, Ok((0, "still here".into())));
}
