//! What the API promises about one session: its links, environment, log, pages and repeats.

use std::time::Duration;

use podling_e2e::{
    archive::{Answer, ArchiveServer, tar_gz},
    podling::Podling,
    viewer::{Plain, Viewer},
};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let podling = Podling::start_with(&["--public-url", "https://podling.example.org/below"]).await;
    let session = podling.run("true").await;
    let expected = format!("https://podling.example.org/below/ws/{}?token={}", session.uid, session.token);
    assert_eq!(session.terminal_url, expected);
}

#[tokio::test]
async fn the_command_gets_the_environment_that_is_promised_and_nothing_else() {
    let archive = tar_gz(&[("main.sh", "env -0 | sort -z | tr '\\0' '\\n'", 0o755)]);
    let server = ArchiveServer::start([("/code.tar.gz", Answer::Body(archive))]).await;
    let podling = Podling::start_with(&["--allow-source", &server.address.to_string()]).await;
    let body = json!({
        "command": "exec ./main.sh", "code_url": server.url("/code.tar.gz"), "prompt": "Ask \"nicely\" $HOME",
        "env": { "COLOUR": "red" }, "secrets": { "API_KEY": "hidden" },
    });
    let session = podling.create(body).await;
    podling.reaches(&session.uid, "ended").await;
    let output = podling.output(&session.uid).await;
    let variables: Vec<_> = output.lines().filter_map(|line| line.trim_end().split_once('=')).collect();
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    assert_eq!(value("CODE_URL"), Some(server.url("/code.tar.gz").as_str()));
    assert_eq!(value("COMMAND"), Some("exec ./main.sh"));
    assert_eq!(value("CLAUDE_PROMPT"), Some("Ask \"nicely\" $HOME"), "one value, never pasted into a command");
    assert_eq!(value("TERM"), Some("xterm-256color"));
    assert_eq!((value("COLOUR"), value("API_KEY")), (Some("red"), Some("hidden")));
    assert_eq!(value("PODLING_SESSION"), Some(session.uid.as_str()));
    let mut names: Vec<_> = variables.iter().map(|(name, _)| *name).filter(|name| *name != "_").collect();
    names.sort_unstable();
    let expected = [
        "API_KEY",
        "CLAUDE_PROMPT",
        "CODE_URL",
        "COLOUR",
        "COLORTERM",
        "COMMAND",
        "HOME",
        "LANG",
        "LOGNAME",
        "OLDPWD",
        "PATH",
        "PODLING_SESSION",
        "PWD",
        "SHELL",
        "SHLVL",
        "TERM",
        "TMPDIR",
        "USER",
    ];
    let others: Vec<_> = names.iter().filter(|name| !expected.contains(name)).collect();
    assert_eq!(others, Vec::<&&str>::new(), "in {names:?}");
}

#[tokio::test]
async fn a_session_that_cannot_start_in_time_ends_with_its_cause_and_leaves_nothing() {
    let server = ArchiveServer::start([("/slow.tar.gz", Answer::Stall)]).await;
    let source = server.address.to_string();
    let podling = Podling::start_with(&["--allow-source", &source, "--start-deadline", "2s"]).await;
    let body = json!({ "command": "echo ran", "code_url": server.url("/slow.tar.gz") });
    let session = podling.create(body).await;
    let mut viewer = Viewer::of(&podling, &session).await;
    let ended = podling.reaches_within(&session.uid, "ended", Duration::from_secs(10)).await;
    assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("start-deadline"), &Value::Null));
    assert!(ended["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{ended}");
    assert_eq!(viewer.to_end().await.code, 1000);
    assert_eq!(viewer.exit.expect("an exit frame")["reason"], "start-deadline");
    podling.released(&session.uid, Duration::from_secs(10)).await;
    assert_eq!(podling.session(&session.uid).await["phase"], "ended", "the row stays");
    assert!(!podling.output(&session.uid).await.contains("ran\r"));
}

async fn create_with_key(podling: &Podling, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = podling.http.post(format!("{}/api/sessions", podling.url)).header("idempotency-key", key);
    let response = request.json(body).send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

#[tokio::test]
async fn a_repeated_create_is_the_same_session_also_after_kill_9() {
    let mut podling = Podling::start().await;
    let body = json!({ "command": "sleep 600" });
    let (status, first) = create_with_key(&podling, "once", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    podling.kill().await;
    podling.restart().await;
    let (status, again) = create_with_key(&podling, "once", &body).await;
    assert!(status.is_success(), "{status} {again}");
    assert_eq!(first["uid"], again["uid"]);
    assert_ne!(first["token"], again["token"], "a fresh token");
    let (status, other) = create_with_key(&podling, "once", &json!({ "command": "true" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{other}");
    let (_, page) = podling.get("/api/sessions").await;
    assert_eq!(page["count"], 1, "{page}");
    let (uid, token) = (again["uid"].as_str().expect("a uid"), again["token"].as_str().expect("a token"));
    let attached = Plain::attach(&podling.url, uid, token).await;
    assert!(attached.is_ok(), "the fresh token opens the session");
}

#[tokio::test]
async fn a_list_is_paged_by_cursor() {
    let podling = Podling::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(podling.create(json!({ "command": "true", "id": format!("s{number}") })).await.uid);
    }
    made.reverse();
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (status, page) = podling.get(&format!("/api/sessions?limit=2{cursor}")).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        pages += 1;
        let sessions = page["sessions"].as_array().expect("a list");
        seen.extend(sessions.iter().filter_map(|session| session["uid"].as_str().map(str::to_owned)));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen, pages), (made, 3));
    assert_eq!(podling.get("/api/sessions?cursor=nonsense").await.0, StatusCode::BAD_REQUEST);
}

async fn log(podling: &Podling, uid: &str, query: &str) -> Response {
    let url = format!("{}/api/sessions/{uid}/log{query}", podling.url);
    podling.http.get(url).send().await.expect("an answer")
}

#[tokio::test]
async fn a_log_is_read_from_an_offset_and_as_text_while_it_grows_and_afterwards() {
    let podling = Podling::start().await;
    let session = podling.run("printf '\\033[1;31mred\\033[0m plain\\n'; read x; echo more").await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("plain").await;
    let follow = log(&podling, &session.uid, "?follow=true&format=text").await;
    assert_eq!(log(&podling, &session.uid, "?format=text").await.text().await.expect("text"), "red plain\n");
    let from = "\u{1b}[1;31m".len();
    let tail = log(&podling, &session.uid, &format!("?from={from}")).await.text().await.expect("text");
    assert!(tail.starts_with("red\u{1b}"), "{tail:?}");
    viewer.type_in("\n").await;
    assert_eq!(viewer.to_end().await.code, 1000);
    let followed = follow.text().await.expect("the stream ends with the session");
    assert!(followed.starts_with("red plain\n") && followed.ends_with("more\n"), "{followed:?}");
    assert_eq!(podling.output(&session.uid).await.as_bytes(), viewer.output, "no loss and no duplicates");
    assert_eq!(log(&podling, &session.uid, "?from=x").await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_page_is_html_for_get_and_head_and_leads_nowhere_else() {
    let podling = Podling::start().await;
    let session = podling.run("true").await;
    for method in [Method::GET, Method::HEAD] {
        let response = podling.http.request(method.clone(), &session.terminal_url).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{method}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let body = response.text().await.expect("a body");
        assert_eq!(body.is_empty(), method == Method::HEAD);
        assert!(!body.contains("http://") && !body.contains("https://"), "no address of another origin");
    }
    let opened = Plain::attach(&podling.url, &session.uid, &session.token).await;
    assert!(opened.is_ok(), "looking at the page spends nothing");
}
