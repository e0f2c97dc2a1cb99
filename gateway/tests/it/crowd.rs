//! More viewers than a gateway will have.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use podling_gateway::Limits;
use podling_session::id::AttachNonce;
use tokio::time::{Instant, timeout};

use crate::{
    client::{PATIENCE, attached, connect, framed, plain, status_of},
    world::{World, limits},
};

#[tokio::test]
async fn past_so_many_who_are_being_admitted_new_ones_wait_shortly_and_get_503_and_resumes_go_on() {
    assert_eq!((Limits::default().max_attaching, Limits::default().attach_patience.as_secs()), (256, 2));
    let patience = Duration::from_millis(300);
    let world = World::with(Limits { max_attaching: 4, attach_patience: patience, ..limits() }).await;
    let (_viewer, resume) = attached(&world).await;
    world.guard.hold(true);
    let offers: Vec<_> = (0..4).map(|_| format!("bearer, {}", world.token())).collect();
    let mut held: FuturesUnordered<_> = offers.iter().map(|offer| connect(&world, offer, "")).collect();
    let asked = async {
        world.guard.held(4).await;
        let (token, began) = (world.token(), Instant::now());
        let refused = connect(&world, &format!("bearer, {token}"), "").await.expect_err("refused");
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, b"1".as_slice()));
        assert!((patience..Duration::from_secs(1)).contains(&began.elapsed()), "{:?}", began.elapsed());
        let back = connect(&world, &format!("podling.v1, resume, {resume}"), "").await;
        back.expect("upgraded").take_resume().await;
        world.guard.hold(false);
        assert_eq!(status_of(connect(&world, &format!("bearer, {token}"), "").await), 101, "it spent nothing");
    };
    let answers = async {
        while let Some(answer) = held.next().await {
            assert_eq!(status_of(answer), 101)
        }
    };
    tokio::join!(asked, answers);
}

#[tokio::test]
async fn past_so_many_sockets_nobody_is_admitted_until_one_leaves() {
    assert_eq!(Limits::default().max_sockets, 10_000);
    let world = World::with(Limits { max_sockets: 2, ..limits() }).await;
    let (one, _two) = (plain(&world).await, plain(&world).await);
    let token = world.token();
    let offer = format!("bearer, {token}");
    assert_eq!(status_of(connect(&world, &offer, "").await), 503);
    drop(one);
    let room = async { while status_of(connect(&world, &offer, "").await) != 101 {} };
    timeout(PATIENCE, room).await.expect("the same token, once there is room");
}

#[tokio::test]
async fn strangers_hold_so_many_sockets_to_be_told_why_and_the_rest_are_told_by_status() {
    assert_eq!(Limits::default().max_refusing, 1_024);
    let world = World::with(Limits { max_refusing: 3, ..limits() }).await;
    let refused = framed("no-token", AttachNonce::random());
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&world, &refused, "").await.expect("upgraded, and it does not answer the close frame"));
    }
    for _ in 0..10 {
        assert_eq!(status_of(connect(&world, &refused, "").await), 401);
    }
    let _viewer = attached(&world).await;
    for client in &mut held {
        while client.frame().await.is_ok() {}
    }
    drop(held);
    let room = async { while status_of(connect(&world, &refused, "").await) != 101 {} };
    timeout(PATIENCE, room).await.expect("who read it makes room");
}
