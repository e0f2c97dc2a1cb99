//! `podling ls`, `logs` and `stop`, for people and for programs, and what they say when something is wrong.

use std::process::Output;

use podling_e2e::podling::{Podling, binary};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

async fn podling(url: &str, words: &[&str]) -> Output {
    Command::new(binary()).args(words).env("PODLING_URL", url).output().await.expect("podling runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn sessions_are_listed_read_and_stopped() {
    let server = Podling::start().await;
    let body = |id: &str, command: &str| json!({ "id": id, "command": command, "labels": { "team": id } });
    server.create(body("short", "printf 'a\\033[31mb\\n'; exit 3")).await;
    server.create(body("long", "echo begun; sleep 600")).await;
    server.reaches("short", "ended").await;
    server.prints("long", "begun").await;
    let listed = text(&podling(&server.url, &["ls"]).await.stdout);
    let rows: Vec<_> = listed.lines().collect();
    assert!(rows[0].starts_with("ID") && rows[1].starts_with("long   running"), "{listed}");
    assert!(rows[2].starts_with("short  ended (3)"), "{listed}");
    let of_label = lines(&podling(&server.url, &["ls", "--json", "--label", "team=long"]).await);
    assert_eq!((&of_label[0]["count"], &of_label[0]["sessions"][0]["id"]), (&json!(1), &json!("long")));

    assert_eq!(text(&podling(&server.url, &["logs", "short"]).await.stdout), "a\x1b[31mb\r\n");
    assert_eq!(text(&podling(&server.url, &["logs", "short", "--text"]).await.stdout), "ab\n");
    assert_eq!(text(&podling(&server.url, &["logs", "short", "--from", "6"]).await.stdout), "b\r\n");
    let told = lines(&podling(&server.url, &["logs", "short", "--json"]).await);
    assert_eq!(told[0], json!({ "type": "output", "offset": 0, "text": "a\u{1b}[31mb\r\n" }));

    let (followed, stopped) = tokio::join!(
        podling(&server.url, &["logs", "long", "--follow"]),
        podling(&server.url, &["stop", "long", "--json"]),
    );
    assert!(text(&followed.stdout).starts_with("begun\r\n") && followed.status.success());
    assert_eq!(lines(&stopped)[0]["end_reason"], "stopped");
    let attached = podling(&server.url, &["attach", "long"]).await;
    assert_eq!(attached.status.code(), Some(125), "stopped sessions have no exit code");
}

#[tokio::test]
async fn an_error_says_what_to_do_next() {
    let server = Podling::start().await;
    let check = async |url: &str, words: &[&str], parts: &[&str]| {
        let output = podling(url, words).await;
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        let said = text(&output.stderr);
        for part in parts {
            assert!(said.contains(part), "{part} is missing in {said}");
        }
    };
    check(&server.url, &["attach", "nobody"], &["Session not found", "podling ls"]).await;
    check(&server.url, &["ls", "--phase", "gone"], &["phase must be one of"]).await;
    check("http://127.0.0.1:1", &["ls"], &["does not answer", "podling up", "PODLING_URL"]).await;
    check("http://127.0.0.1:1", &["ls", "--json"], &["\"hint\":\"Start one"]).await;
    check(&server.url, &["ls", "--api-key", "podling_x_y"], &["argument", "PODLING_API_KEY"]).await;
    check(&server.url, &["ls", "--api-key-file", "/nowhere"], &["/nowhere", "--api-key-file"]).await;
    check(&server.url, &["run", "--secret", "NOT_SET_HERE", "true"], &["NOT_SET_HERE", "export"]).await;
    check(&server.url, &["run", "--dir", "/nowhere", "true"], &["/nowhere"]).await;
    let guarded = Podling::start_at("0.0.0.0:0", &[]).await;
    let local = guarded.url.replace("0.0.0.0", "127.0.0.1");
    check(&local, &["ls"], &["Authorization", "PODLING_API_KEY_FILE"]).await;
    let key = guarded.data_dir().join("operator.key");
    let listed =
        Command::new(binary()).args(["ls", "--server", &local]).env("PODLING_API_KEY_FILE", key).output().await;
    assert!(listed.expect("podling runs").status.success());
    assert_eq!(server.get("/api/sessions").await.0, StatusCode::OK);
}
