//! Signing keys that turn while viewers attach.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use podling_e2e::{
    podling::Podling,
    process,
    viewer::{Plain, Viewer},
    wait::until,
};
use podling_session::id::AttachNonce;
use rustix::process::Signal;
use serde_json::Value;
use tokio::task::JoinSet;

const ROTATIONS: usize = 10;
const ATTACHES: usize = 500;
/// Who attaches at once, each in its own pace.
const CLIENTS: usize = 5;
/// A key is published two seconds before it signs.
const TURN: Duration = Duration::from_secs(20);

/// The key that a token names.
fn kid(token: &str) -> String {
    let header = token.split('.').next().expect("a header");
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64")).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}

async fn published(podling: &Podling) -> BTreeSet<String> {
    let (_, set) = podling.get("/.well-known/jwks.json").await;
    let keys = set["keys"].as_array().expect("a list").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// Attaches with a fresh token, plain and framed in turn, and leaves; the key of the token.
async fn attach(podling: &Podling, uid: &str, number: usize) -> String {
    let token = podling.token(uid).await;
    if number.is_multiple_of(2) {
        let mut plain = Plain::attach(&podling.url, uid, &token).await.unwrap_or_else(|why| panic!("refused: {why:?}"));
        plain.sees("ready").await;
    } else {
        let mut framed = Viewer::attach(&podling.url, uid, &token, AttachNonce::random()).await;
        framed.sees("ready").await;
    }
    kid(&token)
}

/// One rotation, until tokens are signed by the key that it made. That key was published before.
async fn rotate(podling: &Podling, uid: &str) {
    let before = published(podling).await;
    process::signal(podling.pid(), Signal::HUP);
    let new = until("a new key published", TURN, async || {
        let now = published(podling).await;
        now.difference(&before).next().cloned().ok_or(now.len())
    })
    .await;
    let mut seen = 0;
    until("a token by the new key", TURN, async || {
        seen += 1;
        if kid(&podling.token(uid).await) == new { Ok(()) } else { Err("an older key signs") }
    })
    .await;
    assert!(seen > 1, "it signed as soon as it was published");
    assert!(published(podling).await.is_superset(&before), "a key whose tokens live was taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_rotations_refuse_none_of_500_attaches_and_old_tokens_stay_good() {
    let podling = Arc::new(Podling::start_without_terminal(&["--key-lead", "2s"]).await);
    let uid = podling.run("echo ready; sleep 600").await.uid;
    podling.prints(&uid, "ready").await;
    let oldest = podling.token(&uid).await;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (podling, uid) = (Arc::clone(&podling), uid.clone());
        clients.spawn(async move {
            let mut kids = Vec::new();
            for number in 0..ATTACHES / CLIENTS {
                kids.push(attach(&podling, &uid, client + number).await);
                // So that they last as long as the rotations do.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            kids
        });
    }
    for _ in 0..ROTATIONS {
        rotate(&podling, &uid).await;
    }
    let mut kids: Vec<String> = Vec::new();
    while let Some(attached) = clients.join_next().await {
        kids.extend(attached.expect("no attach was refused"));
    }
    assert_eq!(kids.len(), ATTACHES);
    let kids: BTreeSet<String> = kids.into_iter().collect();
    assert!(kids.len() > ROTATIONS / 2, "the attaches met {} keys", kids.len());
    let mut late = Plain::attach(&podling.url, &uid, &oldest).await.expect("its key is kept while it lives");
    late.sees("ready").await;
}
