//! What probes and monitors are told while all is well, while the store is down, and while the server drains.

use std::time::Duration;

use podling_controller::store::postgres;
use podling_servers::Postgres;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use super::app::{App, answer, command, header, send};
use crate::wait::until;

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

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_a_controller_says_that_it_lives_and_is_degraded_within_a_second_and_is_sent_traffic() {
    let mut server = Postgres::start();
    let url = server.url(&server.database().await).into();
    let settings = postgres::Settings { url, ca: None, migrate: true, connections: 4 };
    let store = postgres::open(&settings).await.expect("it opens");
    let app = App::start_with(|core| {
        (core.sessions, core.system, core.principals) = (store.clone(), store.clone(), store);
    })
    .await;
    assert_eq!(text(&app, "/healthz").await.0, 200);
    for silent in [false, true] {
        if silent {
            server.pause()
        } else {
            server.stop()
        }
        let asked = Instant::now();
        let health = answer(app.bare(Method::GET, "/healthz")).await;
        assert_eq!(health, (503, json!({ "status": "degraded", "database": "disconnected" })));
        assert!(asked.elapsed() < Duration::from_secs(1), "it took {:?}", asked.elapsed());
        assert_eq!(text(&app, "/servez").await.0, 200, "neither balancer nor supervisor takes it away");
        if silent {
            server.resume()
        } else {
            server.restart()
        }
        until("its recovery", Duration::from_secs(5), async || (text(&app, "/healthz").await.0 == 200).then_some(()))
            .await;
    }
}
