//! One token, one stream.

use std::time::Duration;

use podling_e2e::{
    podling::Podling,
    viewer::{Plain, Upgrade, Viewer, upgrade},
    wait::until,
};
use podling_session::{frame::SUBPROTOCOL, id::AttachNonce};
use reqwest::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

/// The issue's own numbers; every upgrade has a nonce of its own.
const ROUNDS: usize = 50;
const AT_ONCE: usize = 200;

/// Who is told to come again, by a machine that is busy, comes again.
const TRIES: usize = 20;

async fn framed_outcome(url: String, uid: String, token: String) -> bool {
    let (nonce, mut tries) = (AttachNonce::random(), 1);
    let mut viewer = Viewer::attach(&url, &uid, &token, nonce).await;
    loop {
        if let Some(closed) = viewer.step().await {
            if closed.code == 4503 && tries < TRIES {
                tries += 1;
                viewer = Viewer::attach(&url, &uid, &token, nonce).await;
                continue;
            }
            assert_eq!(closed.code, 4401, "{:?}", viewer.error);
            return false;
        }
        if viewer.text().contains("ready") {
            return true;
        }
    }
}

async fn plain_outcome(url: String, uid: String, token: String) -> bool {
    for _ in 0..TRIES {
        match Plain::attach(&url, &uid, &token).await {
            Ok(mut plain) => {
                plain.sees("ready").await;
                return true;
            }
            Err((StatusCode::SERVICE_UNAVAILABLE, _)) => {}
            Err((status, body)) => {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
                assert_eq!(body["type"], "urn:podling:problem:token-refused");
                return false;
            }
        }
    }
    panic!("it was never told more than to come again")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_upgrades_with_one_token_exactly_one_opens_on_both_subprotocols() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    podling.reaches(&session.uid, "running").await;
    for round in 0..ROUNDS * 2 {
        let token = podling.token(&session.uid).await;
        let mut racers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (url, uid, token) = (podling.url.clone(), session.uid.clone(), token.clone());
            if round % 2 == 0 {
                racers.spawn(framed_outcome(url, uid, token));
            } else {
                racers.spawn(plain_outcome(url, uid, token));
            }
        }
        let opened = racers.join_all().await.into_iter().filter(|opened| *opened).count();
        assert_eq!(opened, 1, "round {round}");
    }
}

#[tokio::test]
async fn the_same_nonce_comes_back_until_the_first_ack_and_never_are_two_streams_open() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let nonce = AttachNonce::random();
    let path = format!("/ws/{}?mode=lossless", session.uid);
    let offered = format!("nonce.{nonce}");
    // Cut before any ack: as if the answer had been lost.
    for _ in 0..3 {
        let Upgrade::Open(socket) =
            upgrade(&podling.url, &path, &[SUBPROTOCOL, "bearer", &session.token, &offered]).await
        else {
            panic!("podling.v1 always upgrades");
        };
        drop(socket);
    }
    let mut first = Viewer::attach(&podling.url, &session.uid, &session.token, nonce).await;
    first.acks_resume = false;
    first.sees("ready").await;
    let mut second = Viewer::attach(&podling.url, &session.uid, &session.token, nonce).await;
    second.sees("ready").await;
    assert_eq!(first.to_end().await.code, 4409, "the second closed the first");
    // An ack still on its way when its socket closes may be lost; the echo of what followed it shows that it was taken.
    second.type_in("taken").await;
    second.sees("taken").await;
    drop(second);
    let mut late = Viewer::attach(&podling.url, &session.uid, &session.token, nonce).await;
    assert_eq!(late.to_end().await.code, 4401, "the second had acked");
}

#[tokio::test]
async fn a_token_of_one_session_is_refused_on_another_with_a_401() {
    let podling = Podling::start().await;
    let (a, b) = (podling.run("sleep 600").await, podling.run("sleep 600").await);
    let (status, body) = Plain::attach(&podling.url, &b.uid, &a.token).await.expect_err("a foreign token");
    assert_eq!((status, &body["type"]), (StatusCode::UNAUTHORIZED, &json!("urn:podling:problem:token-refused")));
    for bad in ["';alert(1)//", "a.b.c", ""] {
        let path = format!("/ws/{}?token={}", b.uid, bad.replace('\'', "%27"));
        assert!(
            matches!(upgrade(&podling.url, &path, &[]).await, Upgrade::Refused(StatusCode::UNAUTHORIZED, _)),
            "{bad}"
        );
    }
    let page = podling.http.get(format!("{}/ws/{}?token=%27;alert(1)//", podling.url, b.uid)).send().await;
    let page = page.expect("the page is served");
    assert!(page.headers()["content-security-policy"].to_str().expect("ASCII").contains("script-src 'self'"));
    assert!(!page.text().await.expect("a page").contains("alert(1)"));
    let own = Plain::attach(&podling.url, &a.uid, &a.token).await;
    assert!(own.is_ok(), "refusals on another session spent nothing");
}

#[tokio::test]
async fn a_resume_token_comes_back_once_for_each_generation_and_a_session_token_never_after_it() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; read x; echo done").await;
    let nonce = AttachNonce::random();
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, nonce).await;
    viewer.sees("ready").await;
    let (generation, token) = viewer.resume.clone().expect("the resume frame comes first");
    let offset = viewer.offset;
    drop(viewer);
    let mut resumed = Viewer::resume(&podling.url, &session.uid, &token, offset).await;
    until("the next resume token", Duration::from_secs(10), async || {
        resumed.step().await;
        resumed.resume.as_ref().map(|(next, _)| *next).filter(|next| *next == generation + 1).ok_or(())
    })
    .await;
    resumed.type_in("\n").await;
    resumed.sees("done").await;
    let closed = resumed.to_end().await;
    assert_eq!(closed.code, 1000);
    let mut old = Viewer::of(&podling, &session).await;
    assert_eq!(old.to_end().await.code, 4401);
}
