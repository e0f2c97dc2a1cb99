//! Broken, hostile and cross-site HTTP, written byte by byte.

use std::time::{Duration, Instant};

use podling_e2e::{podling::Podling, viewer::Viewer};
use podling_session::id::AttachNonce;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// What no caller waits for longer, on a machine under load.
const ANSWER: Duration = Duration::from_secs(30);
/// Longer than a connection may be silent, ask for nothing, and take its last answer.
const PATIENCE: Duration = Duration::from_secs(90);

fn authority(podling: &Podling) -> &str {
    podling.url.strip_prefix("http://").expect("a base URL")
}

async fn connect(podling: &Podling) -> TcpStream {
    TcpStream::connect(authority(podling)).await.expect("podling listens")
}

/// Sends these bytes, and gives everything until the server closes, or has said nothing more for a second.
async fn raw(podling: &Podling, bytes: &[u8]) -> String {
    let mut socket = connect(podling).await;
    let _ = socket.write_all(bytes).await; // A server may refuse before it has read all.
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut patience = ANSWER;
    while let Ok(Ok(count)) = timeout(patience, socket.read(&mut buffer)).await {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..count]);
        patience = Duration::from_secs(1);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.").skip(1);
    lines.filter_map(|rest| rest.split(' ').nth(1)?.parse().ok()).collect()
}

#[tokio::test]
async fn a_request_that_two_servers_could_read_in_two_ways_is_refused_and_hides_no_second_one() {
    let podling = Podling::start().await;
    let host = format!("Host: {}\r\n", authority(&podling));
    let hidden = format!("0\r\n\r\nGET /healthz HTTP/1.1\r\n{host}\r\n");
    let rows = [
        format!("{host}Content-Length: 6\r\nContent-Length: 7\r\n\r\n{{}}"),
        format!("{host}Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        format!("{host}Transfer-Encoding: chunked, identity\r\n\r\n{hidden}"),
        format!("{host}Content-Length: +2\r\n\r\n{{}}"),
        format!("{host}X: a\r\n b\r\n\r\n"),
        format!("{host}Content-Length : 2\r\n\r\n{{}}"),
        format!("{host}X: a\0b\r\n\r\n"),
    ];
    for row in rows {
        let answer = raw(&podling, format!("POST /api/sessions HTTP/1.1\r\n{row}").as_bytes()).await;
        assert_eq!(statuses(&answer), [400], "{row:?}: {answer}");
    }
    // Both lengths: the chunks count, and the connection ends with the answer (RFC 9112, 6.1).
    let both =
        format!("POST /api/sessions HTTP/1.1\r\n{host}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{hidden}");
    let answer = raw(&podling, both.as_bytes()).await;
    assert_eq!(statuses(&answer).len(), 1, "{answer}");
    let long = format!("GET /healthz HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(70_000));
    assert_eq!(statuses(&raw(&podling, long.as_bytes()).await), [431]);
    let body = "x".repeat((1 << 20) + 1);
    let large = format!(
        "POST /api/sessions HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(statuses(&raw(&podling, large.as_bytes()).await), [413]);
}

#[tokio::test]
async fn without_a_key_no_page_name_or_proxy_of_others_is_taken_for_the_local_owner() {
    let podling = Podling::start().await;
    let own = authority(&podling).to_owned();
    let check = async |head: &str, status: u16| {
        let answer = raw(&podling, format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{head:?}: {answer}");
        assert!(!answer.to_lowercase().contains("access-control-allow"), "{head:?}: {answer}");
    };
    for path in ["/api/sessions", "/metrics"] {
        check(&format!("GET {path} HTTP/1.1\r\nHost: {own}"), 200).await;
        check(&format!("GET {path} HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}"), 200).await;
        for rest in [
            "HTTP/1.1\r\nHost: evil.example".to_owned(),
            "HTTP/1.1\r\nHost: localhost".to_owned(),
            format!("HTTP/1.1\r\nHost: {own}.evil.example"),
            format!("HTTP/1.1\r\nHost: {own}\r\nHost: evil.example"),
            format!("HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example"),
            format!("HTTP/1.1\r\nHost: {own}\r\nOrigin: null"),
            format!("HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nOrigin: http://evil.example"),
            "HTTP/1.0".to_owned(),
        ] {
            check(&format!("GET {path} {rest}"), 403).await;
        }
        for proxy in
            ["Via: 1.1 proxy", "X-Forwarded-For: 192.0.2.1", "X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"]
        {
            check(&format!("GET {path} HTTP/1.1\r\nHost: {own}\r\n{proxy}"), 401).await;
        }
        check(&format!("GET http://evil.example{path} HTTP/1.1\r\nHost: {own}"), 403).await;
        check(&format!("GET http://{own}{path} HTTP/1.1\r\nHost: evil.example"), 403).await;
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_leads_around_its_door() {
    let podling = Podling::start().await;
    let session = podling.run("sleep 600").await;
    for path in [
        "/ws/../api/sessions",
        "/ws/%2e%2e/api/sessions",
        "/ws/..%2fapi%2fsessions",
        "//api/sessions",
        "/api//sessions",
        "/api/sessions/",
        "/API/sessions",
        "/api/sessions/..%2f..%2fmetrics",
        "/api/sessions/%00",
        "/assets/../src/terminal.html",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets//etc/passwd",
        "/assets/src/../../src/main.rs",
        "/ws/",
        "/ws//",
        "*",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", authority(&podling));
        let answer = raw(&podling, head.as_bytes()).await;
        assert!(matches!(statuses(&answer)[..], [400 | 404]), "{path}: {answer}");
        assert!(!answer.contains(&session.uid), "{path}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_with_a_token_is_kept_by_nobody_and_read_by_no_other_page() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let url = format!("{}/api/sessions/{}/token", podling.url, session.uid);
    let answer = podling.http.post(&url).json(&json!({})).send().await.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let foreign = podling.http.post(&url).header("origin", "http://evil.example").json(&json!({})).send().await;
    let foreign = foreign.expect("an answer");
    assert_eq!(foreign.status(), 403);
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    let preflight = podling.http.request(http::Method::OPTIONS, &url).header("origin", "http://evil.example");
    let preflight = preflight.header("access-control-request-method", "POST").send().await.expect("an answer");
    assert!(!preflight.headers().contains_key("access-control-allow-origin"));
    // A page of another origin may open a WebSocket, as browsers do not ask; without a token it gets nothing.
    let head = format!(
        "GET /ws/{} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nConnection: upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        session.uid
    );
    let answer = raw(&podling, head.as_bytes()).await;
    assert!(matches!(statuses(&answer)[..], [400 | 401]), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_asks_for_nothing_is_closed_and_a_terminal_beside_it_goes_on() {
    let podling = Podling::start().await;
    let session = podling.run("while read -r x; do echo \"echo $x\"; done").await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let settings = [preface.as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let openings: [&[u8]; 6] =
        [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"PRI * HTTP/2.0\r\n", &preface, &settings];
    let mut lingering = JoinSet::new();
    for opening in openings {
        let (mut socket, opening) = (connect(&podling).await, opening.to_vec());
        lingering.spawn(async move {
            let started = Instant::now();
            let _ = socket.write_all(&opening).await; // It may be closed already.
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = timeout(PATIENCE, socket.read(&mut buffer)).await.expect("it is closed") {
                // Answers to pings are no requests.
                if let Some(ping) = buffer[..count].windows(9).position(|frame| frame[..5] == [0, 0, 8, 6, 0]) {
                    let mut pong = buffer[ping..(ping + 17).min(count)].to_vec();
                    pong[4] = 1;
                    let _ = socket.write_all(&pong).await; // The same.
                }
            }
            println!("{:?} closed after {:?}", String::from_utf8_lossy(&opening), started.elapsed());
        });
    }
    lingering.join_all().await;
    viewer.type_in("still here\n").await;
    viewer.sees("echo still here").await;
}
