//! One token, one stream.

use std::sync::Arc;

use podling_session::{frame::ServerFrame, id::AttachNonce};
use tokio::task::JoinSet;

use crate::{
    client::{Client, connect, framed, status_of},
    world::{World, until},
};

const RACERS: usize = 200;

/// Whether the client got as far as output.
async fn sees_output(client: Option<Client>) -> bool {
    let Some(mut client) = client else { return false };
    client.output().await.is_ok()
}

#[tokio::test]
async fn of_200_framed_upgrades_with_one_token_exactly_one_attaches() {
    race(|token| framed(token, AttachNonce::random())).await;
}

#[tokio::test]
async fn of_200_plain_upgrades_with_one_token_exactly_one_attaches() {
    race(|token| format!("bearer, {token}")).await;
}

async fn race(offer: fn(&str) -> String) {
    let world = Arc::new(World::start().await);
    world.log.say("hello");
    let token = world.token();
    let mut racers = JoinSet::new();
    for _ in 0..RACERS {
        let (world, offer) = (Arc::clone(&world), offer(&token));
        racers.spawn(async move {
            let is_framed = offer.starts_with("podling");
            let client = connect(&world, &offer, "").await.ok();
            match client {
                Some(mut client) if !is_framed => client.message().await.is_ok(),
                client => sees_output(client).await,
            }
        });
    }
    let attached = racers.join_all().await.into_iter().filter(|attached| *attached).count();
    assert_eq!((attached, *world.runner.accepted.borrow()), (1, 1));
}

#[tokio::test]
async fn the_same_nonce_comes_back_until_the_first_ack_and_then_never() {
    let world = World::start().await;
    world.log.say("hello");
    let (token, nonce) = (world.token(), AttachNonce::random());
    let offer = framed(&token, nonce);
    let mut first = connect(&world, &offer, "").await.map_err(|_| ()).expect("first");
    assert!(matches!(first.frame().await, Ok(ServerFrame::Resume { generation: 1, .. })));
    until(world.runner.accepted.subscribe(), |count| *count == 1).await;

    let mut second = connect(&world, &offer, "").await.map_err(|_| ()).expect("the answer was lost");
    let end = loop {
        if let Err(end) = first.frame().await {
            break end;
        }
    };
    assert_eq!(end.code, 4409, "never two streams");
    let resume = second.take_resume().await;
    assert_eq!(second.output().await, Ok((0, "hello".into())));
    // The ack came before this input, on one stream.
    second.send(&podling_session::frame::ClientFrame::Input("x".into())).await;
    until(world.runner.input.subscribe(), |input| input == b"x").await;

    let mut third = connect(&world, &offer, "").await.map_err(|_| ()).expect("upgraded");
    let end = loop {
        if let Err(end) = third.frame().await {
            break end;
        }
    };
    assert_eq!(end.code, 4401);
    assert_eq!(world.runner.open_streams(), 1);

    let mut back =
        connect(&world, &format!("podling.v1, resume, {resume}"), "from=2").await.map_err(|_| ()).expect("resumed");
    back.take_resume().await;
    assert_eq!(back.output().await, Ok((2, "llo".into())));
}

#[tokio::test]
async fn a_viewer_that_saw_nothing_is_not_locked_out_by_what_the_gateway_tried_for_it() {
    let world = World::start().await;
    world.log.say("hello");
    world.runner.down.send_replace(true);
    let (token, nonce) = (world.token(), AttachNonce::random());
    let offer = framed(&token, nonce);
    let mut first = connect(&world, &offer, "").await.map_err(|_| ()).expect("first");
    // A second resume frame: the gateway has come back for it.
    for _ in 0..2 {
        while !matches!(first.frame().await, Ok(ServerFrame::Resume { .. })) {}
    }
    first.send(&podling_session::frame::ClientFrame::Input("x".into())).await;
    world.runner.down.send_replace(false);
    until(world.runner.input.subscribe(), |input| input == b"x").await;
    drop(first);
    let mut second = connect(&world, &offer, "").await.map_err(|_| ()).expect("its answers were lost");
    assert_eq!(second.output().await, Ok((0, "hello".into())));
}

#[tokio::test]
async fn a_resume_needs_no_guard_and_stands_in_no_url() {
    let world = World::start().await;
    world.log.say("hello");
    let (_client, resume) = crate::client::attached(&world).await;
    world.guard.set_down(true);
    let mut back =
        connect(&world, &format!("podling.v1, resume, {resume}"), "").await.map_err(|_| ()).expect("resumed");
    back.take_resume().await;
    assert!(back.output().await.is_ok());
    assert_eq!(status_of(connect(&world, "", &format!("resume={resume}")).await), 400);
    assert_eq!(status_of(connect(&world, "", &format!("token={resume}")).await), 401);
}
