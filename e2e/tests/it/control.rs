//! Lists, stops, deletes, health, and the way out.

use std::time::Duration;

use podling_e2e::{
    form::{Form, only_embedded},
    podling::Podling,
    process,
    viewer::Viewer,
    wait::until,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn sessions_are_listed_by_phase_and_label_and_end_when_they_are_stopped_or_deleted() {
    let podling = Podling::start().await;
    let kept = podling.create(json!({ "command": "sleep 600", "id": "kept", "labels": { "team": "a" } })).await;
    let gone = podling.create(json!({ "command": "sleep 600", "id": "gone", "labels": { "team": "b" } })).await;
    podling.reaches(&kept.uid, "running").await;
    podling.reaches(&gone.uid, "running").await;
    let (_, page) = podling.get("/api/sessions?phase=running&label=team=b").await;
    assert_eq!(page["sessions"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(page["sessions"][0]["id"], "gone");

    let mut viewer = Viewer::of(&podling, &gone).await;
    let (status, _) = podling.delete("/api/sessions/gone").await;
    assert!(status.is_success());
    assert_eq!(podling.get("/api/sessions/gone").await.0, 404);
    let closed = viewer.to_end().await;
    assert!(matches!(closed.code, 1000 | 4404), "{closed:?}");
    podling.released(&gone.uid, Duration::from_secs(10)).await;
    let again = podling.create(json!({ "command": "true", "id": "gone" })).await;
    assert_ne!(again.uid, gone.uid, "a deleted id can be made again");

    let (status, _) = podling.post("/api/sessions/kept/stop", json!({})).await;
    assert!(status.is_success());
    let ended = podling.reaches(&kept.uid, "ended").await;
    assert_eq!(ended["end_reason"], "stopped");
    podling.released(&kept.uid, Duration::from_secs(15)).await;
}

#[tokio::test]
async fn health_metrics_keys_and_the_api_description_are_served() {
    let podling = Podling::start().await;
    let (status, health) = podling.get("/healthz").await;
    assert_eq!((status.as_u16(), &health["status"], &health["database"]), (200, &json!("ok"), &json!("connected")));
    for path in ["/readyz", "/servez", "/metrics"] {
        assert_eq!(podling.get(path).await.0, 200, "{path}");
    }
    let (_, keys) = podling.get("/.well-known/jwks.json").await;
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]), (&json!("RSA"), &json!("RS256")));
    assert_eq!(podling.get("/api/openapi.json").await.1["openapi"], "3.1.0");
    assert_eq!(podling.get("/nowhere").await.0, 404);
}

#[tokio::test]
async fn sigterm_drains_and_leaves_nothing_behind() {
    if only_embedded("several controllers leave sessions to the next, see `replicas`") {
        return;
    }
    let mut podling = Podling::start().await;
    let session = podling.run("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    let data_dir = podling.data_dir().display().to_string();
    let launch = podling.launch(&session.uid).await;
    let status = podling.terminate().await;
    assert!(status.success(), "{status} {}", podling.log());
    assert!(matches!(viewer.to_end().await.code, 1000 | 1001));
    assert_eq!(process::with_argument(&data_dir), [], "no process is left");
    assert_eq!(process::cgroups_named(&launch), Vec::<String>::new());
    podling.restart().await;
    let ended = podling.session(&session.uid).await;
    assert_eq!((&ended["phase"], &ended["end_reason"]), (&json!("ended"), &json!("stopped")));
    assert!(podling.output(&session.uid).await.contains("bye"), "the command was asked to end, not killed");
}

#[tokio::test]
async fn the_demo_shows_the_sample_agent_and_its_link() {
    if only_embedded("--demo is for one controller and one gateway") {
        return;
    }
    let podling = Podling::start_with(&["--demo"]).await;
    let uid = until("the demo session", Duration::from_secs(20), async || {
        let (_, page) = podling.get("/api/sessions?label=demo=true").await;
        page["sessions"][0]["uid"].as_str().map(str::to_owned).ok_or(page)
    })
    .await;
    let ended = podling.reaches(&uid, "ended").await;
    assert_eq!(ended["exit_code"], 0, "{ended}");
    let output = podling.output(&uid).await;
    for part in ["Root Workflow", "AI-SECURITY-AUDIT", "Restore Task State"] {
        assert!(output.contains(part), "{part} is missing in {output}");
        assert!(podling.said().contains(part), "{part} is not shown by the command");
    }
    assert!(podling.said().contains(&format!("/ws/{uid}?token=")), "the link is printed");
}

#[tokio::test]
async fn sigterm_finishes_the_requests_that_are_under_way() {
    let mut podling = Podling::start().await;
    let session = podling.run("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("ready").await;
    let log = podling.http.get(format!("{}/api/sessions/{}/log?follow=true", podling.url, session.uid)).send();
    let log = log.await.expect("an answer");
    let host = podling.url.trim_start_matches("http://");
    let mut upload = TcpStream::connect(host).await.expect("a connection");
    let body = r#"{"command":"true"}"#;
    let head = format!("POST /api/sessions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json");
    let begun = format!("{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", body.len(), &body[..9]);
    upload.write_all(begun.as_bytes()).await.expect("the half of a request");
    // Answered after it: the half before was read, too.
    assert_eq!(podling.get("/healthz").await.0, 200);
    process::signal(podling.pid(), Signal::TERM);
    until("no more traffic is wanted", Duration::from_secs(5), async || {
        match podling.get("/servez").await.0.as_u16() {
            503 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    upload.write_all(&body.as_bytes()[9..]).await.expect("the other half");
    let mut answer = String::new();
    timeout(Duration::from_secs(20), upload.read_to_string(&mut answer)).await.expect("an answer").expect("text");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let followed = log.text().await;
    match Form::of_this_run() {
        Form::Embedded => assert!(followed.expect("the whole log, properly ended").ends_with("bye\r\n")),
        Form::Replicated => assert!(followed.is_err(), "a log whose session goes on is cut, not ended: {followed:?}"),
    }
    assert!(podling.ended().await.success(), "{}", podling.log());
}
