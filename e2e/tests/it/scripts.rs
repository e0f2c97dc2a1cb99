//! What scripts and agents do with a session without attaching to it: type, look, and follow what happens.

use std::time::Duration;

use podling_e2e::{podling::Podling, wait::until};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::time::timeout;

async fn shows(podling: &Podling, uid: &str, text: &str) -> Value {
    until(&format!("the screen shows {text:?}"), Duration::from_secs(20), async || {
        let (status, screen) = podling.get(&format!("/api/sessions/{uid}/screen")).await;
        let lines = screen["lines"].as_array().cloned().unwrap_or_default();
        let found = status == StatusCode::OK && lines.iter().any(|line| line == text);
        if found { Ok(screen) } else { Err(screen) }
    })
    .await
}

#[tokio::test]
async fn a_script_types_looks_and_follows_without_being_a_viewer() {
    let podling = Podling::start().await;
    let session = podling
        .run("stty -echo; printf 'name? '; read name; echo \"hello $name\"; stty raw; printf '\\033[5;7Hhere'; sleep 600")
        .await;
    let path = format!("/api/sessions/{}", session.uid);
    podling.reaches(&session.uid, "running").await;
    shows(&podling, &session.uid, "name?").await;
    let (status, typed) = podling.post(&format!("{path}/input"), json!({ "text": "Ada\n" })).await;
    assert_eq!((status, &typed["accepted_bytes"]), (StatusCode::OK, &json!(4)), "{typed}");
    let screen = shows(&podling, &session.uid, "      here").await;
    assert_eq!(screen["cursor"], json!({ "row": 4, "col": 10, "visible": true }));
    assert_eq!((&screen["rows"], &screen["cols"]), (&json!(24), &json!(80)));
    let log = podling.stream(&format!("{path}/log?from={}", typed["offset"])).await.text().await.expect("a log");
    assert!(log.contains("hello Ada") && !log.contains("name?"), "{log:?}");
    assert_eq!(podling.session(&session.uid).await["viewers"], 0);
    fills_up(&podling, &path).await;
    follows(&podling, &path).await;
}

/// A program that reads nothing is typed 256 KiB to, and a kernel's buffer. (A terminal that edits lines would drop what is
/// too long for one instead.)
async fn fills_up(podling: &Podling, path: &str) {
    let type_in = || {
        let request = podling.http.post(format!("{}{path}/input", podling.url));
        request.header(header::CONTENT_TYPE, "application/octet-stream").body(vec![b'x'; 64 << 10]).send()
    };
    for _ in 0..4 {
        assert_eq!(type_in().await.expect("an answer").status(), StatusCode::OK);
    }
    let mut refused = type_in().await.expect("an answer");
    for _ in 0..3 {
        if refused.status() == StatusCode::OK {
            refused = type_in().await.expect("an answer"); // The kernel took some of it.
        }
    }
    let again = refused.headers().get(header::RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
    assert_eq!((refused.status(), again), (StatusCode::TOO_MANY_REQUESTS, Some("1")));
}

async fn follows(podling: &Podling, path: &str) {
    let mut events = podling.stream(&format!("{path}/events")).await;
    assert_eq!(podling.delete(path).await.0, StatusCode::OK);
    let mut told = String::new();
    let reading = async {
        while let Some(chunk) = events.chunk().await.expect("events") {
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    timeout(Duration::from_secs(20), reading).await.expect("a deleted session's events end");
    let kinds: Vec<_> = told
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| {
            let event: Value = serde_json::from_str(data).expect("JSON");
            event["kind"].as_str().expect("a kind").to_owned()
        })
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("session.created"), "{told}");
    assert_eq!(kinds[kinds.len() - 2..], ["session.ended", "session.deleted"], "{told}");
    assert!(kinds.iter().any(|kind| kind == "session.running"), "{told}");
}
