//! What fails, is full or is asked too much of: who notices, who does not, and that it passes.

use std::time::Duration;

use podling_e2e::{
    form::only_embedded,
    podling::Podling,
    viewer::{Plain, Viewer},
    wait::until,
};
use podling_session::{id::AttachNonce, log::segment_file};
use reqwest::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

#[tokio::test]
async fn the_sixth_create_within_a_minute_waits_and_what_is_refused_costs_nothing() {
    let podling = Podling::start_with(&["--creates-per-minute", "5"]).await;
    let (url, good) = (format!("{}/api/sessions", podling.url), json!({ "command": "true" }));
    for _ in 0..8 {
        let wrong_key = podling.http.post(&url).bearer_auth("podling_0123_wrong").json(&good);
        assert_eq!(wrong_key.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
        assert_eq!(podling.post("/api/sessions", json!({ "command": 5 })).await.0, StatusCode::BAD_REQUEST);
    }
    for _ in 0..5 {
        podling.create(good.clone()).await;
    }
    let refused = podling.http.post(&url).json(&good).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = refused.headers()["retry-after"].to_str().expect("ASCII").parse::<u64>().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = refused.json().await.expect("a problem");
    assert_eq!(body["retryAfter"], wait);
    assert!(body["error"].is_string(), "{body}");
}

#[tokio::test]
async fn a_full_session_burns_no_token_and_takes_it_when_there_is_room() {
    let podling = Podling::start_with(&["--max-viewers", "1"]).await;
    let session = podling.run("echo ready; sleep 600").await;
    let mut first = Viewer::of(&podling, &session).await;
    first.sees("ready").await;
    until("every controller counts it", Duration::from_secs(10), async || {
        let viewers = podling.session(&session.uid).await["viewers"].clone();
        if viewers == 1 { Ok(()) } else { Err(viewers) }
    })
    .await;
    let (plain, framed) = (podling.token(&session.uid).await, podling.token(&session.uid).await);
    let nonce = AttachNonce::random();
    for _ in 0..3 {
        let (status, body) = Plain::attach(&podling.url, &session.uid, &plain).await.expect_err("no room");
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
        let mut refused = Viewer::attach(&podling.url, &session.uid, &framed, nonce).await;
        assert_eq!(refused.to_end().await.code, 4429);
    }
    drop(first);
    let mut second = until("room for the same token", Duration::from_secs(10), async || {
        Plain::attach(&podling.url, &session.uid, &plain).await
    })
    .await;
    second.sees("ready").await;
    drop(second);
    let mut third = until("room for the other token", Duration::from_secs(10), async || {
        let mut viewer = Viewer::attach(&podling.url, &session.uid, &framed, AttachNonce::random()).await;
        while viewer.resume.is_none() {
            if let Some(closed) = viewer.step().await {
                return Err(closed);
            }
        }
        Ok(viewer)
    })
    .await;
    third.sees("ready").await;
}

#[tokio::test]
async fn without_its_store_podling_answers_503_keeps_its_terminals_and_comes_back() {
    if only_embedded("it locks SQLite's file; the trials of `chaos` stop Postgres") {
        return;
    }
    let podling = Podling::start().await;
    let session = podling.run("echo ready; while read -r x; do echo \"got $x\"; done").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    let token = podling.token(&session.uid).await;

    let store = Connection::open(podling.data_dir().join("podling.db")).expect("the store");
    store.execute_batch("BEGIN EXCLUSIVE").expect("the store is ours alone");
    until("readyz tells", Duration::from_secs(10), async || match podling.get("/readyz").await.0 {
        StatusCode::SERVICE_UNAVAILABLE => Ok(()),
        other => Err(other),
    })
    .await;
    assert_eq!(podling.get("/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(podling.get("/servez").await.0, StatusCode::OK, "the balancer goes on");
    let url = format!("{}/api/sessions", podling.url);
    let refused = podling.http.get(&url).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let (status, body) = Plain::attach(&podling.url, &session.uid, &token).await.expect_err("no store");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    viewer.type_in("through\n").await;
    viewer.sees("got through").await;

    store.execute_batch("ROLLBACK").expect("the store is free again");
    until("readyz recovers", Duration::from_secs(10), async || match podling.get("/readyz").await.0 {
        StatusCode::OK => Ok(()),
        other => Err(other),
    })
    .await;
    let mut late = Plain::attach(&podling.url, &session.uid, &token).await.expect("the 503 burned no token");
    late.sees("got through").await;
    assert_eq!(podling.session(&session.uid).await["phase"], "running");
}

#[tokio::test]
async fn the_oldest_output_goes_first_and_whoever_asks_for_it_learns_what_is_left() {
    let podling = Podling::start_with(&["--log-bytes", "2000000"]).await;
    let session = podling.run("seq 1 1000000; echo the last line; read x").await;
    let mut first = Viewer::of(&podling, &session).await;
    let resume = loop {
        assert!(first.step().await.is_none(), "the stream has begun");
        if let Some((_, token)) = &first.resume {
            break token.clone();
        }
    };
    drop(first);
    let kept = until("old output is gone", Duration::from_secs(60), async || {
        let session = podling.session(&session.uid).await;
        session["log_first_offset"].as_u64().filter(|first| *first > 4_000_000).ok_or(session)
    })
    .await;
    let token = podling.token(&session.uid).await;
    let mut late = Plain::attach(&podling.url, &session.uid, &token).await.expect("a late viewer");
    late.sees("the last line").await;
    assert!(!late.text().contains("\r\n17\r\n") && late.output.len() < 5_000_000, "{} bytes", late.output.len());
    let (status, _) = podling.get(&format!("/api/sessions/{}/log?from=0", session.uid)).await;
    assert_eq!(status, StatusCode::GONE);
    let closed = Viewer::resume(&podling.url, &session.uid, &resume, 0).await.to_end().await;
    assert_eq!(closed.code, 4411, "{closed:?}");
    assert!(closed.reason.parse::<u64>().is_ok_and(|first| first >= kept), "{closed:?} names what is kept");
    late.type_in("\n").await;
    podling.reaches(&session.uid, "ended").await;
    assert!(podling.output(&session.uid).await.ends_with("the last line\r\n\r\n"));
}

#[tokio::test]
async fn while_the_disk_is_full_the_command_goes_on_and_the_gap_is_recorded_and_told() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; read x; seq 1 2000000; echo all said; read x; echo after").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    // The next file of the log meets a full disk.
    let next = podling.stores(&session.uid, "ready").await.with_file_name(segment_file(1));
    std::os::unix::fs::symlink("/dev/full", &next).expect("a link");
    viewer.type_in("\n").await;
    viewer.sees("100").await; // It was typed: a cut may take along what is under way.
    drop(viewer);
    until("the command went on", Duration::from_secs(60), async || {
        let output = podling.output(&session.uid).await;
        if output.contains("all said") { Ok(()) } else { Err(output.len()) }
    })
    .await;
    std::fs::remove_file(&next).expect("the link is there");
    let token = podling.token(&session.uid).await;
    let mut late = Plain::attach(&podling.url, &session.uid, &token).await.expect("a late viewer");
    late.type_in("\n").await;
    late.sees("after").await;
    let ended = podling.reaches(&session.uid, "ended").await;
    assert_eq!(ended["exit_code"], 0, "{ended}");
    podling.released(&session.uid, Duration::from_secs(40)).await;
    let output = podling.output(&session.uid).await;
    assert!(output.starts_with("ready") && output.contains("\r\n2000000\r\n") && output.ends_with("after\r\n"));
    assert!(!output.contains("\r\n500000\r\n"), "what the disk refused is lost");
    let token = podling.token(&session.uid).await;
    let mut stored = Plain::attach(&podling.url, &session.uid, &token).await.expect("the stored log");
    assert_eq!(stored.to_end().await.code, 1000, "a viewer of a log with a gap sees it to its end");
    let events = podling.store.count("events", &session.uid, "kind = 'log.gap'").await.expect("a count");
    assert_eq!(events, 1);
}

#[tokio::test]
async fn an_allowed_origin_is_echoed_and_another_is_told_nothing() {
    let podling = Podling::start_with(&["--allow-origin", "https://app.example"]).await;
    let key = std::fs::read_to_string(podling.data_dir().join("operator.key")).expect("the first key");
    let url = format!("{}/api/sessions", podling.url);
    let ask = async |origin: &str| {
        let request = podling.http.get(&url).bearer_auth(key.trim()).header("origin", origin);
        request.send().await.expect("an answer")
    };
    let allowed = ask("https://app.example").await;
    assert_eq!(allowed.status(), StatusCode::OK);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
    let other = ask("https://evil.example").await;
    assert!(!other.status().is_server_error(), "{}", other.status());
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    let any = Podling::start_with(&["--allow-origin", "*"]).await;
    let response = any.http.get(format!("{}/healthz", any.url)).header("origin", "https://x.example").send().await;
    assert_eq!(response.expect("an answer").headers()["access-control-allow-origin"], "*");
}
