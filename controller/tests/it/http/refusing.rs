//! Bad input: each row with its status and a message that names what was wrong, and nothing left behind.

use podling_session::code_hosts::CodeHosts;
use reqwest::Method;
use serde_json::{Value, json};

use super::app::{App, answer, header, send, settings};

const RESERVED_ID: &str = "01926b3e-7c2a-7c2a-8c2a-0123456789ab";

fn rows() -> Vec<(Value, &'static str)> {
    let long = |length: usize| "x".repeat(length);
    let from = |url: &str| json!({ "command": "true", "code_url": url });
    vec![
        (json!({}), "one of command, code_url or language is required"),
        (json!([]), "the body must be a JSON object"),
        (json!({ "command": 5 }), "command must be a string"),
        (json!({ "command": "true", "code_url": 5 }), "code_url must be a string"),
        (json!({ "command": "true", "env": { "A": 1 } }), "env.A must be a string"),
        (json!({ "command": "true", "limits": { "pids": "many" } }), "limits.pids must be a whole number"),
        (json!({ "command": "true", "comand": "ls" }), "comand is not a known field"),
        (json!({ "language": "python" }), "code runs are not available yet"),
        (json!({ "command": "true", "egress": "yes" }), "egress must be true or false"),
        (json!({ "command": long(1_001) }), "command exceeds maximum length of 1000"),
        (json!({ "command": "true", "prompt": long(10_001) }), "prompt exceeds maximum length of 10000"),
        (json!({ "command": "true", "install_cmd": long(1_001) }), "install_cmd exceeds maximum length"),
        (from(&format!("https://example.org/{}.tgz", long(2_048))), "code_url exceeds maximum length of 2048"),
        (json!({ "code_url": "https://example.org/a.tgz" }), "command is required"),
        (from("not a url"), "Invalid URL format"),
        (from("ftp://example.org/a.tgz"), "Only HTTP and HTTPS protocols are allowed"),
        (from("http://169.254.169.254/a.tgz"), "Private IP addresses are not allowed"),
        (from("http://10.0.0.1/a.tgz"), "Private IP addresses are not allowed"),
        (from("http://2130706433/a.tgz"), "Private IP addresses are not allowed"),
        (from("http://[::1]:80/a.tgz"), "Private IP addresses are not allowed"),
        (from("http://localhost/a.tgz"), "Private IP addresses are not allowed"),
        (from("https://example.org/"), "code_url names no archive"),
        (from("https://github.com/o/r/blob/main/a"), "code_url names no archive"),
        (from("bundle:sha256:12"), "a bundle is bundle:sha256: and 64 hex digits"),
        (
            json!({ "command": "true", "code_url": "https://x.org/r.git", "code_checksum_sha256": "a".repeat(64) }),
            "code_checksum_sha256 goes with archives",
        ),
        (
            json!({ "command": "true", "code_url": "https://example.org/a.tgz", "code_checksum_sha256": "abc" }),
            "Invalid SHA-256 checksum format",
        ),
        (json!({ "command": "true", "id": "-a" }), "id must be 1 to 64 characters"),
        (json!({ "command": "true", "session_id": "a/b" }), "session_id must be 1 to 64 characters"),
        (json!({ "command": "true", "id": RESERVED_ID }), "id must not have the form of a uid"),
        (json!({ "command": "true", "deadline_seconds": 0 }), "deadline_seconds must be from 1"),
        (json!({ "command": "true", "labels": { "a b": "c" } }), "labels take"),
        (json!({ "command": "true", "secrets": { "PODLING_X": "y" } }), "reserved"),
    ]
}

#[tokio::test]
async fn a_bad_body_is_refused_by_name_and_leaves_nothing_behind() {
    let app = App::start().await;
    for (body, expected) in rows() {
        let response = send(app.request(Method::POST, "/api/sessions").json(&body)).await;
        assert_eq!(header(&response, "content-type").as_deref(), Some("application/problem+json"));
        let status = response.status().as_u16();
        let problem: Value = response.json().await.expect("a problem");
        let error = problem["error"].as_str().expect("an error");
        assert_eq!(status, 400, "{body}: {problem}");
        assert!(error.contains(expected), "{body}: {error}");
        assert_eq!((&problem["detail"], &problem["status"]), (&problem["error"], &json!(400)));
    }
    assert_eq!(app.count().await, 0);
}

#[tokio::test]
async fn a_body_must_be_json_of_bounded_size() {
    let app = App::start().await;
    let post = |kind: &'static str, body: String| {
        answer(app.request(Method::POST, "/api/sessions").header("content-type", kind).body(body))
    };
    let (status, problem) = post("application/json", "{\"command\":".into()).await;
    assert_eq!(status, 400);
    assert!(problem["error"].as_str().expect("an error").starts_with("malformed JSON: "), "{problem}");
    assert_eq!(post("text/plain", "{}".into()).await.0, 415);
    let large = format!("{{\"command\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(post("application/json", large).await.0, 413);
    for key in ["", "a b", &"x".repeat(256)] {
        let request = app.request(Method::POST, "/api/sessions").header("idempotency-key", key);
        let (status, problem) = answer(request.json(&json!({ "command": "true" }))).await;
        assert_eq!((status, &problem["field"]), (400, &json!("Idempotency-Key")));
    }
    assert_eq!(app.count().await, 0);
}

#[tokio::test]
async fn a_listed_private_host_may_be_a_source() {
    let listed = "127.0.0.1:9000".parse().expect("a host");
    let code_hosts = CodeHosts { private: vec![listed], ..CodeHosts::default() };
    let app = App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        core.settings = podling_controller::core::Settings { code_hosts, ..settings(&base) }.into();
    })
    .await;
    let body = |port: u16| json!({ "command": "true", "code_url": format!("http://127.0.0.1:{port}/a.tgz") });
    assert_eq!(app.post("/api/sessions", &body(9_000)).await.0, 201);
    assert_eq!(app.post("/api/sessions", &body(9_001)).await.0, 400);
}

#[tokio::test]
async fn with_a_list_of_domains_code_comes_from_them_alone() {
    let app = App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        let domains = "*.x.org,github.com".parse().expect("domains");
        let code_hosts = CodeHosts { domains, ..CodeHosts::default() };
        core.settings = podling_controller::core::Settings { code_hosts, ..settings(&base) }.into();
    })
    .await;
    let body = |url: &str| json!({ "command": "true", "code_url": url });
    for url in ["https://x.org/a.zip", "https://a.x.org/r.git", "https://github.com/o/r/tree/main/d"] {
        assert_eq!(app.post("/api/sessions", &body(url)).await.0, 201, "{url}");
    }
    for (url, host) in [("https://ax.org/a.zip", "ax.org"), ("https://evil.com/x", "evil.com")] {
        let (status, problem) = app.post("/api/sessions", &body(url)).await;
        let refusal = format!("Domain {host} is not in the allowlist");
        assert_eq!((status, &problem["error"], &problem["field"]), (400, &json!(refusal), &json!("code_url")));
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let app = App::start().await;
    let (status, problem) = app.get("/api/nothing").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:podling:problem:not-found")));
    let response = send(app.request(Method::PUT, "/api/sessions")).await;
    assert_eq!(response.status(), 405);
    assert_eq!(header(&response, "allow").as_deref(), Some("POST,GET,HEAD"));
    let problem: Value = response.json().await.expect("a problem");
    assert_eq!(problem["type"], "urn:podling:problem:method-not-allowed");
}

#[tokio::test]
async fn a_request_has_an_id_on_every_answer() {
    let app = App::start().await;
    let ask = |id: &'static str| send(app.bare(Method::GET, "/api/nothing").header("x-request-id", id));
    let kept = ask("mine-1").await;
    assert_eq!(header(&kept, "x-request-id").as_deref(), Some("mine-1"));
    assert_eq!(header(&kept, "x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(header(&kept, "cache-control").as_deref(), Some("no-store"));
    let problem: Value = kept.json().await.expect("a problem");
    assert_eq!(problem["requestId"], "mine-1");
    let made = header(&ask("not sound").await, "x-request-id").expect("an id");
    assert_eq!(made.len(), 36);
}
