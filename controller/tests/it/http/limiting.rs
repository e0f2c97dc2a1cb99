//! How often and how much, and what happens when that cannot be told.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use podling_controller::core::Settings;
use podling_session::{
    limit::{Decision, Rate, RateLimiter, Unavailable},
    quota::Quota,
    sign::{NextKey, Signer},
    token::Claims,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::app::{App, answer, command, header, number, quota, send, settings};

#[tokio::test]
async fn the_sixth_create_within_a_minute_is_refused_and_only_good_ones_count() {
    let app = App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        core.settings =
            Settings { quota: Quota { creates_per_minute: number(5), ..quota() }, ..settings(&base) }.into();
    })
    .await;
    for _ in 0..10 {
        assert_eq!(answer(app.bare(Method::POST, "/api/sessions").json(&command())).await.0, 401);
        assert_eq!(app.post("/api/sessions", &json!({ "command": 1 })).await.0, 400);
    }
    for left in (0..5).rev() {
        let response = send(app.request(Method::POST, "/api/sessions").json(&command())).await;
        assert_eq!(response.status(), 201);
        assert_eq!(header(&response, "ratelimit-policy").as_deref(), Some("\"create\";q=5;w=60"));
        assert_eq!(header(&response, "ratelimit-remaining"), Some(left.to_string()));
        assert!(
            header(&response, "ratelimit").is_some_and(|told| told.starts_with(&format!("\"create\";r={left};t=")))
        );
    }
    let response = send(app.request(Method::POST, "/api/sessions").json(&command())).await;
    assert_eq!(response.status(), 429);
    let wait = header(&response, "retry-after").expect("a Retry-After");
    assert_eq!(header(&response, "ratelimit-reset").as_ref(), Some(&wait));
    assert_eq!(header(&response, "ratelimit-remaining").as_deref(), Some("0"));
    let problem: Value = response.json().await.expect("a problem");
    assert_eq!(problem["retryAfter"].to_string(), wait);
    assert!(problem["error"].is_string());
    assert_eq!(app.count().await, 5);
    let metrics = send(app.request(Method::GET, "/metrics")).await.text().await.expect("text");
    for name in [
        "podling_rate_limit_hits_total{limit=\"create\"}",
        "podling_sessions_created_total",
        "podling_create_seconds",
        "podling_store_seconds{kind=\"look\"",
    ] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
}

#[tokio::test]
async fn an_owner_holds_so_many_sessions_and_no_more() {
    let app = App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        core.settings = Settings { quota: Quota { sessions: 2, ..quota() }, ..settings(&base) }.into();
    })
    .await;
    app.create(&command()).await;
    app.create(&command()).await;
    let (status, problem) = app.post("/api/sessions", &command()).await;
    assert_eq!((status, &problem["type"]), (429, &json!("urn:podling:problem:session-quota")));
    assert_eq!(app.count().await, 2);
}

#[tokio::test]
async fn a_limiter_or_a_signer_that_is_down_lets_nothing_through_and_leaves_nothing() {
    for (change, dependency) in [
        ((|core| core.limiter = Arc::new(Down)) as fn(&mut podling_controller::core::Core), "rate limiter"),
        (|core| core.signer = Arc::new(Down), "signer"),
    ] {
        let app = App::start_with(change).await;
        let response = send(app.request(Method::POST, "/api/sessions").json(&command())).await;
        assert_eq!(response.status(), 503);
        assert!(header(&response, "retry-after").is_some());
        let problem: Value = response.json().await.expect("a problem");
        assert!(problem["error"].as_str().expect("an error").contains(dependency), "{problem}");
        assert_eq!(app.count().await, 0);
        let ready = send(app.bare(Method::GET, "/readyz")).await;
        assert_eq!(ready.status(), 503);
        assert!(ready.text().await.expect("text").contains(&format!("{dependency}: down")));
    }
}

struct Down;

fn down<T>() -> Result<T, Unavailable> {
    Err(Unavailable("pulled out".into()))
}

#[async_trait]
impl RateLimiter for Down {
    async fn take(&self, _: &str, _: Rate) -> Result<Decision, Unavailable> {
        down()
    }
}

#[async_trait]
impl Signer for Down {
    async fn sign(&self, _: &Claims) -> Result<String, Unavailable> {
        down()
    }

    fn keys(&self) -> Arc<JwkSet> {
        Arc::new(JwkSet { keys: vec![] })
    }

    fn keys_life(&self) -> Duration {
        Duration::ZERO
    }

    async fn refresh(&self) -> Result<(), Unavailable> {
        down()
    }

    async fn rotate(&self) -> Result<NextKey, Unavailable> {
        down()
    }

    fn newest_made_at(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }
}
