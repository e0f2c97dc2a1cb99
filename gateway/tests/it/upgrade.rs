//! The forms of the handshake, and what flows over an open socket.

use futures_util::SinkExt;
use podling_session::{
    frame::{ClientFrame, ServerFrame},
    id::AttachNonce,
    size::WindowSize,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{attached, connect, framed, plain},
    controller::Place,
    world::{World, until},
};

#[tokio::test]
async fn every_form_of_the_handshake_attaches_and_answers_its_subprotocol() {
    let world = World::start().await;
    world.log.say("hello");
    let (token, nonce) = (world.token(), AttachNonce::random());
    for (offer, query, selected) in [
        (format!("bearer, {}", world.token()), String::new(), Some("bearer")),
        ("bearer".to_owned(), format!("token={}", world.token()), Some("bearer")),
        (String::new(), format!("token={}", world.token()), None),
        (framed(&token, nonce), String::new(), Some("podling.v1")),
        (format!("podling.v1, nonce.{nonce}"), format!("token={}", world.token()), Some("podling.v1")),
    ] {
        let mut client = connect(&world, &offer, &query).await.map_err(|refused| refused.status()).expect("attached");
        assert_eq!(client.selected.as_deref(), selected, "{offer}");
        client.read_until("hello").await;
    }
}

#[tokio::test]
async fn a_plain_client_types_text_or_bytes_and_sees_the_last_line() {
    let world = World::start().await;
    let mut client = plain(&world).await;
    client.socket.send(Message::text("ls\r")).await.expect("open");
    client.socket.send(Message::binary(b"\x03".as_slice())).await.expect("open");
    until(world.runner.input.subscribe(), |input| input == b"ls\r\x03").await;
    world.log.say("bye");
    until(world.runner.acked.subscribe(), |acked| *acked == 3).await;
    world.log.end("exit", Some(3));
    let (bytes, end) = client.read_to_end().await;
    assert_eq!(bytes, b"bye\r\n[podling] The command ended with exit code 3.\r\n");
    assert_eq!((end.code, end.reason.as_str()), (1000, "exit"));
}

#[tokio::test]
async fn frames_reach_the_runner_and_come_back() {
    let world = World::start().await;
    let (mut client, _) = attached(&world).await;
    let size = WindowSize::new(40, 120).expect("a fair size");
    for frame in [ClientFrame::Focus, ClientFrame::Resize(size), ClientFrame::Input("hi\r".into())] {
        client.send(&frame).await;
    }
    until(world.runner.input.subscribe(), |input| input == b"hi\r").await;
    until(world.runner.size.subscribe(), |size| *size == Some((40, 120))).await;
    until(world.runner.focused.subscribe(), |count| *count == 1).await;
    world.log.say("done");
    assert_eq!(client.output().await, Ok((0, "done".into())));
    client.send(&ClientFrame::Ack { offset: 4 }).await;
    until(world.runner.acked.subscribe(), |acked| *acked == 4).await;
    world.log.end("exit", Some(0));
    let ServerFrame::Exit { json } = client.frame().await.expect("exit") else { panic!("not exit") };
    assert_eq!(json, r#"{"reason":"exit","exit_code":0,"detail":"The command ended with exit code 0."}"#);
    let end = client.frame().await.expect_err("closed");
    assert_eq!((end.code, end.reason.as_str()), (1000, "exit"));
}

#[tokio::test]
async fn while_a_session_starts_its_stages_are_shown_and_what_is_typed_is_kept() {
    let world = World::start().await;
    let place = world.controller.place.send_replace(None);
    let (mut client, _) = attached(&world).await;
    let ServerFrame::Stage { json } = client.frame().await.expect("a stage") else { panic!("not a stage") };
    assert_eq!(json, r#"{"stage":"scheduling","elapsed_millis":5}"#);
    client.send(&ClientFrame::Input("early".into())).await;
    world.controller.place.send_replace(place);
    until(world.runner.input.subscribe(), |input| input == b"early").await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_served_from_the_stored_log() {
    let world = World::start().await;
    world.log.say("hi\r\n");
    world.log.end("exit", Some(0));
    world.controller.place.send_replace(Some(Place::Stored));
    let (mut client, _) = attached(&world).await;
    assert_eq!(client.output().await, Ok((0, "hi\r\n".into())));
    assert!(matches!(client.frame().await, Ok(ServerFrame::Exit { .. })));
    assert_eq!(client.frame().await.expect_err("closed").code, 1000);
    assert_eq!(*world.runner.accepted.borrow(), 0);
}
