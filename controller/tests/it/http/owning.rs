//! Sessions of one's own, and those of others, which are as if they were not.

use podling_session::principal::Role;
use reqwest::Method;
use serde_json::{Value, json};

use super::app::{App, answer, command};

#[tokio::test]
async fn a_session_is_shown_without_what_is_nobodys_business() {
    let app = App::start().await;
    let made = app.create(&json!({ "command": "true", "id": "mine", "secrets": { "A": "planted-secret" } })).await;
    for name in ["mine", made["uid"].as_str().expect("a uid")] {
        let (status, session) = app.get(&format!("/api/sessions/{name}")).await;
        assert_eq!((status, &session["session_id"], &session["uid"]), (200, &json!("mine"), &made["uid"]));
        assert!(session["detail"].as_str().expect("a sentence").ends_with('.'));
        assert!(session.get("token").is_none() && !session.to_string().contains("planted-secret"));
        assert!(!session.to_string().contains("unix:"), "no address of a runner");
        for unknown_yet in ["started_at", "ended_at", "end_reason", "exit_code", "isolation"] {
            assert_eq!(session[unknown_yet], Value::Null);
        }
        assert_eq!((&session["viewers"], &session["log_end_offset"]), (&json!(0), &json!(0)));
    }
}

#[tokio::test]
async fn a_stopped_session_stays_and_a_deleted_one_is_gone() {
    let app = App::start().await;
    app.create(&json!({ "command": "true", "id": "a" })).await;
    for _ in 0..2 {
        let (status, stopped) = app.post("/api/sessions/a/stop", &json!({})).await;
        assert_eq!((status, &stopped["phase"], &stopped["end_reason"]), (200, &json!("ended"), &json!("stopped")));
    }
    let (status, deleted) = app.delete("/api/sessions/a").await;
    assert_eq!((status, &deleted["success"], &deleted["id"]), (200, &json!(true), &json!("a")));
    assert!(deleted["deleted_at"].is_string());
    assert_eq!(app.get("/api/sessions/a").await.0, 404);
    assert_eq!(app.delete("/api/sessions/a").await.0, 404);
    assert_eq!(app.count().await, 0);
}

#[tokio::test]
async fn a_foreign_session_answers_as_an_unknown_one() {
    let app = App::start().await;
    let mallory = app.key_of("test:claim:other", Role::User, None).await;
    let session = app.create(&command()).await;
    let uid = session["uid"].as_str().expect("a uid");
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::POST, "/stop"),
        (Method::POST, "/token"),
        (Method::GET, "/log"),
    ] {
        let ask = |id: &str| {
            let request = app.bare(method.clone(), &format!("/api/sessions/{id}{rest}"));
            answer(request.header("x-request-id", "same").bearer_auth(&mallory))
        };
        let foreign = ask(uid).await;
        assert_eq!(foreign, ask("unknown").await, "{method} {rest}");
        assert_eq!((foreign.0, &foreign.1["error"]), (404, &json!("Session not found")));
        assert_eq!(ask("-bad-").await.0, 400);
    }
    let (_, page) = answer(app.bare(Method::GET, "/api/sessions").bearer_auth(&mallory)).await;
    assert_eq!(page["count"], 0);
    let (_, still) = app.get(&format!("/api/sessions/{uid}")).await;
    assert_eq!(still["phase"], "pending");
}
