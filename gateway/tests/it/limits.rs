//! Bounds on what viewers may send and how slow they may be, and the drain.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use podling_gateway::Limits;
use podling_session::frame::ClientFrame;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use crate::{
    client::{Client, PATIENCE, attached, connect, plain, status_of},
    world::{World, limits, until},
};

async fn close_code(client: &mut Client) -> u16 {
    loop {
        match timeout(PATIENCE, client.socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => return code.into(),
            Some(Ok(_)) => {}
            other => panic!("closed without a code: {other:?}"),
        }
    }
}

#[tokio::test]
async fn messages_have_a_greatest_size() {
    let world = World::start().await;
    let (mut framed, _) = attached(&world).await;
    framed.send(&ClientFrame::Input(vec![b'x'; 60_000].into())).await;
    until(world.runner.input.subscribe(), |input| input.len() == 60_000).await;
    framed.send(&ClientFrame::Input(vec![b'x'; 65_536].into())).await;
    assert_eq!(close_code(&mut framed).await, 1009);

    let mut plain = plain(&world).await;
    plain.socket.send(Message::binary(vec![b'x'; 1_000_000])).await.expect("open");
    until(world.runner.input.subscribe(), |input| input.len() == 1_060_000).await;
    plain.socket.send(Message::binary(vec![b'x'; 1_048_577])).await.expect("open");
    assert_eq!(close_code(&mut plain).await, 1009);
}

#[tokio::test]
async fn a_framed_client_sends_whole_binary_frames_and_unknown_ones_are_ignored() {
    let world = World::start().await;
    let (mut client, _) = attached(&world).await;
    client.socket.send(Message::binary(vec![0x7f, 1, 2])).await.expect("open");
    client.send(&ClientFrame::Input("on".into())).await;
    until(world.runner.input.subscribe(), |input| input == b"on").await;
    client.socket.send(Message::binary(vec![0x21, 1])).await.expect("open");
    assert_eq!(close_code(&mut client).await, 1002);
    let (mut client, _) = attached(&world).await;
    client.socket.send(Message::text("ls")).await.expect("open");
    assert_eq!(close_code(&mut client).await, 1003);
}

#[tokio::test]
async fn a_viewer_that_reads_nothing_stalls_only_itself() {
    let world = World::with(Limits { send_timeout: Duration::from_secs(2), ..limits() }).await;
    let (stalled, mut reader) = (plain(&world).await, plain(&world).await);
    until(world.runner.accepted.subscribe(), |count| *count == 2).await;
    let block = vec![b'x'; 1 << 20];
    for _ in 0..24 {
        world.log.say(&block);
        let mut seen = 0;
        while seen < block.len() {
            seen += reader.message().await.expect("output").len();
        }
    }
    // The stalled one is given up, the other goes on.
    let gateway = &world.gateway;
    let given_up = async {
        while gateway.sockets() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, given_up).await.expect("the stalled viewer is closed");
    world.log.say("end");
    assert_eq!(reader.message().await.as_deref(), Ok(b"end".as_slice()));
    drop(stalled);
}

#[tokio::test]
async fn a_viewer_that_answers_no_ping_is_let_go() {
    let short = Limits { ping_every: Duration::from_millis(50), pong_deadline: Duration::from_millis(300), ..limits() };
    let world = World::with(short).await;
    let (silent, mut alive) = (plain(&world).await, plain(&world).await);
    until(world.runner.accepted.subscribe(), |count| *count == 2).await;
    // The library answers pings only while it is read.
    let reading = async { alive.message().await };
    let waiting = async {
        while world.runner.open_streams() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.log.say("alive");
    };
    let (read, ()) = tokio::join!(reading, waiting);
    assert_eq!(read.as_deref(), Ok(b"alive".as_slice()));
    drop(silent);
}

#[tokio::test]
async fn a_viewer_that_leaves_leaves_no_stream() {
    let world = World::start().await;
    let (client, _) = attached(&world).await;
    let mut polite = plain(&world).await;
    until(world.runner.accepted.subscribe(), |count| *count == 2).await;
    drop(client);
    polite.socket.close(None).await.expect("open");
    let gone = async {
        while world.runner.open_streams() > 0 || world.gateway.sockets() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("both streams are gone");
}

#[tokio::test]
async fn a_drain_sends_every_viewer_away_and_lets_nobody_in() {
    let world = World::start().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(attached(&world).await.0);
    }
    let closing = futures_util::future::join_all(clients.iter_mut().map(close_code));
    let (codes, ()) = tokio::join!(closing, world.gateway.drain());
    assert_eq!(codes, vec![1001; 20]);
    assert_eq!(world.gateway.sockets(), 0);
    assert_eq!(status_of(connect(&world, &format!("bearer, {}", world.token()), "").await), 503);
}
