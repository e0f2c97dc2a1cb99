//! Input and screens over HTTP, where there is no runner: what is refused, and the last screen of a stored log.

use reqwest::{Method, header};
use serde_json::json;

use super::{
    app::{App, answer, command},
    reading_logs::ended,
};

#[tokio::test]
async fn bad_input_is_refused_by_name_before_a_runner_is_asked() {
    let app = App::start().await;
    let uid = app.create(&command()).await["uid"].as_str().expect("a uid").to_owned();
    let path = format!("/api/sessions/{uid}/input");
    for (body, status, field) in [
        (json!({ "text": "" }), 400, Some("text")),
        (json!({ "text": "x".repeat(65_537) }), 400, Some("text")),
        (json!({ "text": 7 }), 400, None),
        (json!({ "text": "ls", "more": 1 }), 400, None),
        (json!({ "text": "ls\n" }), 409, None),
    ] {
        let (got, problem) = app.post(&path, &body).await;
        assert_eq!((got, problem["field"].as_str()), (status, field), "{problem}");
    }
    let typed = |kind: &'static str| app.request(Method::POST, &path).header(header::CONTENT_TYPE, kind).body("ls\n");
    assert_eq!(answer(typed("text/html")).await.0, 415);
    assert_eq!(answer(typed("application/octet-stream")).await.0, 409);
    assert_eq!(app.get(&format!("/api/sessions/{uid}/screen")).await.0, 409);
    assert_eq!(app.post("/api/sessions/other/input", &json!({ "text": "ls" })).await.0, 404);
    assert_eq!(app.get("/api/sessions/other/screen").await.0, 404);
}

#[tokio::test]
async fn an_ended_session_shows_its_last_screen_and_takes_no_input() {
    let app = App::start().await;
    let uid = ended(&app, 0).await;
    let (status, screen) = app.get(&format!("/api/sessions/{uid}/screen")).await;
    assert_eq!(status, 200, "{screen}");
    assert_eq!((&screen["lines"][0], &screen["lines"][1]), (&json!("green"), &json!("second line")));
    assert_eq!(screen["cursor"], json!({ "row": 2, "col": 0, "visible": true }));
    assert_eq!((&screen["rows"], &screen["cols"], &screen["offset"]), (&json!(24), &json!(80), &json!(29)));
    let (status, problem) = app.post(&format!("/api/sessions/{uid}/input"), &json!({ "text": "ls" })).await;
    assert_eq!((status, &problem["detail"]), (409, &json!("The session has ended")));
}
