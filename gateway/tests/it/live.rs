//! Screens, skipped ranges and what is asked for of them, between a runner and both kinds of clients.

use bytes::Bytes;
use futures_util::SinkExt;
use podling_proto::terminal::{
    Fetched, Mode, Skipped, Snapshot, WindowSize as WireSize, attach_response::Message as FromRunner,
};
use podling_session::{
    frame::{ClientFrame, ServerFrame},
    id::AttachNonce,
    size::WindowSize,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, connect, framed, plain},
    world::{World, until},
};

async fn live(world: &World, query: &str) -> Client {
    let offer = framed(&world.token(), AttachNonce::random());
    let query = format!("mode=live{query}");
    let mut client =
        connect(world, &offer, &query).await.unwrap_or_else(|refused| panic!("refused: {}", refused.status()));
    client.take_resume().await;
    until(world.runner.accepted.subscribe(), |count| *count == 1).await;
    client
}

/// The next frame that tells of output.
async fn told(client: &mut Client) -> ServerFrame {
    loop {
        match client.frame().await.expect("the socket is open") {
            ServerFrame::Resume { generation, .. } => client.send(&ClientFrame::ResumeAck { generation }).await,
            ServerFrame::Resized(_) | ServerFrame::Stage { .. } | ServerFrame::Viewers(_) => {}
            frame => return frame,
        }
    }
}

fn screen(offset: u64, data: impl Into<Bytes>) -> FromRunner {
    let size = Some(WireSize { rows: 24, cols: 80 });
    FromRunner::Snapshot(Snapshot { offset, data: data.into(), size, replay: false })
}

#[tokio::test]
async fn a_live_viewer_is_told_what_was_skipped_and_gets_it_when_it_asks() {
    let world = World::start().await;
    let mut client = live(&world, "&history=500").await;
    let asked = world.runner.opens.borrow()[0].clone();
    assert_eq!((asked.mode(), asked.from, asked.history_lines), (Mode::Live, None, 500));
    world.runner.tell(FromRunner::Skipped(Skipped { from: 7, to: 1000 })).await;
    world.runner.tell(screen(1000, "\x18screen")).await;
    assert_eq!(told(&mut client).await, ServerFrame::Skipped { from: 7, to: 1000 });
    let bytes = Bytes::from_static(b"\x18screen");
    let snapshot = ServerFrame::Snapshot { offset: 1000, replay: false, size: WindowSize::DEFAULT, bytes };
    assert_eq!(told(&mut client).await, snapshot);
    client.send(&ClientFrame::Fetch { from: 7, to: 1000 }).await;
    until(world.runner.fetches.subscribe(), |fetches| fetches == &[(7, 1000)]).await;
    world.runner.tell(FromRunner::Fetched(Fetched { offset: 7, data: Bytes::from_static(b"abc") })).await;
    assert_eq!(told(&mut client).await, ServerFrame::Fetched { offset: 7, bytes: Bytes::from_static(b"abc") });
    client.send(&ClientFrame::Input("abc".into())).await;
    assert_eq!(told(&mut client).await, ServerFrame::InputTaken { total: 3 });
}

#[tokio::test]
async fn a_cut_stream_goes_on_at_the_screen_that_was_seen_last() {
    let world = World::start().await;
    let mut client = live(&world, "").await;
    world.log.say("before");
    assert!(matches!(told(&mut client).await, ServerFrame::Output { offset: 0, .. }));
    world.runner.tell(screen(2000, "screen")).await;
    assert!(matches!(told(&mut client).await, ServerFrame::Snapshot { offset: 2000, .. }));
    world.runner.cut();
    until(world.runner.opens.subscribe(), |opens| opens.len() == 2).await;
    let again = world.runner.opens.borrow()[1].clone();
    assert_eq!((again.mode(), again.from), (Mode::Live, Some(2000)));
}

#[tokio::test]
async fn to_a_plain_client_a_screen_is_bytes_and_the_rest_of_frames_is_nothing() {
    let world = World::start().await;
    let mut client = plain(&world).await;
    until(world.runner.accepted.subscribe(), |count| *count == 1).await;
    world.runner.tell(FromRunner::InputTaken(3)).await;
    world.runner.tell(screen(0, "\x18the screen")).await;
    world.log.say(" and on");
    client.read_until("\x18the screen and on").await;
}

#[tokio::test]
async fn the_largest_screen_passes() {
    let world = World::start().await;
    let mut client = live(&world, "").await;
    world.runner.tell(screen(5, vec![b'x'; 12 << 20])).await;
    let ServerFrame::Snapshot { bytes, .. } = told(&mut client).await else { panic!("not the screen") };
    assert_eq!(bytes.len(), 12 << 20);
}

const CREDIT: usize = 256 << 10;

#[tokio::test]
async fn acks_sizes_and_fetches_pass_input_that_no_program_takes() {
    let world = World::start().await;
    world.runner.reads.send_replace(false);
    let mut client = live(&world, "").await;
    for _ in 0..8 {
        client.send(&ClientFrame::Input(vec![b'x'; CREDIT / 8].into())).await;
    }
    client.send(&ClientFrame::Ack { offset: 9 }).await;
    client.send(&ClientFrame::Resize(WindowSize::new(40, 120).expect("a fair size"))).await;
    client.send(&ClientFrame::Fetch { from: 1, to: 2 }).await;
    until(world.runner.acked.subscribe(), |acked| *acked == 9).await;
    until(world.runner.size.subscribe(), |size| *size == Some((40, 120))).await;
    until(world.runner.fetches.subscribe(), |fetches| fetches == &[(1, 2)]).await;
    client.send(&ClientFrame::Input("y".into())).await;
    let end = loop {
        if let Err(end) = client.frame().await {
            break end;
        }
    };
    assert_eq!(end.code, 4400);
}

#[tokio::test]
async fn input_typed_before_there_is_a_runner_is_bounded_and_arrives() {
    let world = World::start().await;
    let place = world.controller.place.send_replace(None);
    let offer = framed(&world.token(), AttachNonce::random());
    let mut client = connect(&world, &offer, "").await.map_err(|refused| refused.status()).expect("attached");
    client.take_resume().await;
    for _ in 0..8 {
        client.send(&ClientFrame::Input(vec![b'x'; CREDIT / 8].into())).await;
    }
    world.controller.place.send_replace(place);
    until(world.runner.input.subscribe(), |input| input.len() == CREDIT).await;
    loop {
        match client.frame().await {
            Ok(ServerFrame::InputTaken { total }) if total == CREDIT as u64 => break,
            Ok(_) => {}
            Err(end) => panic!("{end:?}"),
        }
    }
}

#[tokio::test]
async fn input_lost_with_a_stream_is_given_back_as_credit() {
    let world = World::start().await;
    world.runner.reads.send_replace(false);
    let mut client = live(&world, "").await;
    client.send(&ClientFrame::Input(vec![b'x'; 50_000].into())).await;
    until(world.runner.input.subscribe(), |input| input.len() == 50_000).await;
    world.runner.cut();
    assert_eq!(told(&mut client).await, ServerFrame::InputTaken { total: 50_000 });
}

#[tokio::test]
async fn a_plain_client_is_not_read_while_its_program_takes_nothing() {
    let world = World::start().await;
    world.runner.reads.send_replace(false);
    let mut client = plain(&world).await;
    client.socket.send(Message::binary(vec![b'x'; CREDIT])).await.expect("open");
    until(world.runner.input.subscribe(), |input| input.len() == CREDIT).await;
    client.socket.send(Message::text("more")).await.expect("open");
    world.log.say("output goes on");
    client.read_until("output goes on").await;
    assert_eq!(world.runner.input.borrow().len(), CREDIT);
    world.runner.tell(FromRunner::InputTaken(CREDIT as u64)).await;
    until(world.runner.input.subscribe(), |input| input.ends_with(b"more")).await;
}
