//! The table of refusals, for both kinds of clients, and that none of them spends a token.

use std::sync::atomic::Ordering;

use podling_session::{
    frame::ServerFrame,
    id::{AttachNonce, Uid},
};
use tonic::Code;

use crate::{
    client::{Client, connect, connect_to, framed, status_of},
    world::{SigningKey, World},
};

/// A plain client gets the status, a `podling.v1` client an error frame and the close code.
async fn refused(world: &World, token: &str, status: u16) {
    let answer = connect(world, &format!("bearer, {token}"), "").await;
    let response = answer.err().unwrap_or_else(|| panic!("a plain client was let in instead of {status}"));
    assert_eq!(response.status(), status);
    let body: serde_json::Value = serde_json::from_slice(response.body().as_deref().expect("a body")).expect("JSON");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!((&body["status"], &body["error"]), (&status.into(), &body["detail"]));
    assert!(!body.to_string().contains(token), "the token is not repeated");
    assert_eq!(response.headers().contains_key("retry-after"), status == 503 || status == 429);

    let answer = connect(world, &framed(token, AttachNonce::random()), "").await;
    let client = answer.unwrap_or_else(|refused| panic!("a framed client got {}", refused.status()));
    told(client, status).await;
}

async fn told(mut client: Client, status: u16) {
    let Ok(ServerFrame::Error { json }) = client.frame().await else { panic!("no error frame") };
    let problem: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(problem["status"], status);
    assert_eq!(client.frame().await.expect_err("closed").code, 4000 + status);
}

#[tokio::test]
async fn a_bad_token_is_refused_whatever_is_wrong_with_it() {
    let world = World::start().await;
    let changed = |change: fn(&mut podling_session::token::Claims)| {
        let mut claims = world.claims();
        change(&mut claims);
        world.key.sign(&claims)
    };
    refused(&world, "no-token", 401).await;
    refused(&world, &changed(|claims| claims.exp -= 86_400), 401).await;
    // Within the gateway's slack, but not within the controller's.
    refused(&world, &changed(|claims| claims.exp = claims.iat - 1), 401).await;
    refused(&world, &changed(|claims| claims.aud = "api".into()), 401).await;
    refused(&world, &changed(|claims| claims.iss = "other".into()), 401).await;
    refused(&world, &changed(|claims| claims.sid = Uid::new()), 401).await;
    refused(&world, &SigningKey::generate().sign(&world.claims()), 401).await;
    let mut forged = world.token();
    forged.truncate(forged.len() - 8);
    refused(&world, &forged, 401).await;
    assert_eq!(*world.runner.accepted.borrow(), 0);
}

#[tokio::test]
async fn what_the_controller_refuses_has_its_row_and_burns_no_token() {
    let world = World::start().await;
    for (code, status) in [
        (Code::NotFound, 404),
        (Code::FailedPrecondition, 410),
        (Code::ResourceExhausted, 429),
        (Code::Unavailable, 503),
        (Code::Internal, 503),
        (Code::PermissionDenied, 503),
    ] {
        let token = world.token();
        world.controller.set_refuse(Some(code));
        refused(&world, &token, status).await;
        world.controller.set_refuse(None);
        assert_eq!(status_of(connect(&world, &format!("bearer, {token}"), "").await), 101, "after {status}");
    }
}

#[tokio::test]
async fn without_its_replay_guard_the_gateway_fails_closed_and_recovers() {
    let world = World::start().await;
    let token = world.token();
    world.guard.set_down(true);
    refused(&world, &token, 503).await;
    world.guard.set_down(false);
    assert_eq!(status_of(connect(&world, &format!("bearer, {token}"), "").await), 101);
    refused(&world, &token, 401).await;
}

#[tokio::test]
async fn a_bad_request_names_what_is_wrong() {
    let world = World::start().await;
    for (query, field) in [("mode=x", "mode"), ("from=-1", "from"), ("history=x", "history"), ("a=b", "query")] {
        let token = world.token();
        let response = connect(&world, &format!("bearer, {token}"), query).await.expect_err("refused");
        let body: serde_json::Value =
            serde_json::from_slice(response.body().as_deref().expect("a body")).expect("JSON");
        assert_eq!((response.status().as_u16(), &body["field"]), (400, &field.into()), "{body}");
        let client =
            connect(&world, &framed(&token, AttachNonce::random()), query).await.map_err(|_| ()).expect("upgraded");
        told(client, 400).await;
    }
    let client =
        connect(&world, &format!("podling.v1, bearer, {}", world.token()), "").await.map_err(|_| ()).expect("upgraded");
    told(client, 400).await;
    assert_eq!(status_of(connect(&world, "", "").await), 400);
    // Bytes alone cannot tell what was skipped.
    assert_eq!(status_of(connect(&world, &format!("bearer, {}", world.token()), "mode=live").await), 400);
    assert_eq!(status_of(connect_to(&world, "not-a-uid", "bearer, x", "").await), 404);
    let client =
        connect_to(&world, "x", &framed("t", AttachNonce::random()), "").await.map_err(|_| ()).expect("upgraded");
    told(client, 404).await;
}

#[tokio::test]
async fn unknown_keys_cost_the_controller_one_fetch_a_second_and_a_new_key_is_found() {
    let world = World::start().await;
    let _known = connect(&world, &format!("bearer, {}", world.token()), "").await;
    let before = world.controller.fetches.load(Ordering::SeqCst);
    let strangers = SigningKey::generate();
    let tries = (0..50).map(|_| {
        let token = strangers.sign(&world.claims());
        let world = &world;
        async move { status_of(connect(world, &format!("bearer, {token}"), "").await) }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert_eq!(world.controller.fetches.load(Ordering::SeqCst) - before, 1);
    world.controller.set_jwks(strangers.jwks());
    let token = strangers.sign(&world.claims());
    assert_eq!(status_of(connect(&world, &format!("bearer, {token}"), "").await), 101);
}

#[tokio::test]
async fn without_keys_nobody_comes_in_and_no_token_is_spent() {
    let world = World::start().await;
    let token = world.token();
    world.controller.set_refuse(Some(Code::Internal));
    refused(&world, &token, 503).await;
    world.controller.set_refuse(None);
    assert_eq!(status_of(connect(&world, &format!("bearer, {token}"), "").await), 101);
}
