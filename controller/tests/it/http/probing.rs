//! What probes and monitors are told while all is well, while the store is down, and while the server drains.

use reqwest::Method;
use serde_json::json;

use super::app::{App, answer, command, header, send};

async fn text(app: &App, path: &str) -> (u16, String) {
    let response = send(app.bare(Method::GET, path)).await;
    (response.status().as_u16(), response.text().await.expect("text"))
}

#[tokio::test]
async fn probes_tell_the_truth_about_the_store() {
    let app = App::start().await;
    let health = answer(app.bare(Method::GET, "/healthz")).await;
    assert_eq!(health, (200, json!({ "status": "ok", "database": "connected" })));
    assert_eq!(text(&app, "/readyz").await, (200, "ready".into()));
    assert_eq!(text(&app, "/servez").await.0, 200);

    app.store.close().await;
    let health = answer(app.bare(Method::GET, "/healthz")).await;
    assert_eq!(health, (503, json!({ "status": "degraded", "database": "disconnected" })));
    let (status, told) = text(&app, "/readyz").await;
    assert_eq!(status, 503);
    assert!(told.contains("database: down") && told.contains("signer: up"), "{told}");
    assert_eq!(text(&app, "/servez").await.0, 200, "a shared dependency takes no replica out");
    let response = send(app.request(Method::POST, "/api/sessions").json(&command())).await;
    assert_eq!(response.status(), 503);
    assert!(header(&response, "retry-after").is_some());
}

#[tokio::test]
async fn a_draining_server_wants_no_more_traffic() {
    let app = App::start().await;
    app.serving.drain();
    assert_eq!(text(&app, "/servez").await, (503, "not serving".into()));
    assert_eq!(text(&app, "/readyz").await.0, 503);
    assert_eq!(text(&app, "/healthz").await.0, 200);
}
