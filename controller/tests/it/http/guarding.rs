//! Who is let in: keys, the local owner, and pages of other origins.

use std::os::unix::fs::PermissionsExt;

use podling_controller::{
    core::Settings,
    identity::{BootstrapError, bootstrap_key},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::app::{App, answer, command, header, send, settings};

async fn with_local_owner() -> App {
    App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        core.settings = Settings { local_owner: true, ..settings(&base) }.into();
    })
    .await
}

async fn with_origins(origins: &[&str]) -> App {
    let allowed_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    App::start_with(|core| {
        let base = core.settings.public_url.to_string();
        core.settings = Settings { allowed_origins, ..settings(&base) }.into();
    })
    .await
}

#[tokio::test]
async fn without_the_right_key_nobody_is_served() {
    let app = App::start().await;
    let session = app.create(&command()).await;
    let token = session["token"].as_str().expect("a token").to_owned();
    let (missing, invalid) = ("Missing Authorization header with Bearer token", "Invalid API key");
    let changed = format!("{}x", app.key);
    let rows: Vec<(&str, String, &str)> = vec![
        ("x-other", String::new(), missing),
        ("authorization", format!("Basic {}", app.key), missing),
        ("authorization", app.key.clone(), missing),
        ("authorization", format!("Bearer {changed}"), invalid),
        ("authorization", "Bearer podling_0000000000000000_AAAA".into(), invalid),
        ("authorization", "Bearer ".into(), missing),
        ("authorization", format!("Bearer {token}"), invalid),
        ("x-api-key", changed, invalid),
        ("x-api-key", token, invalid),
    ];
    for (name, value, error) in rows {
        let response = send(app.bare(Method::GET, "/api/sessions").header(name, &value)).await;
        assert_eq!(response.status(), 401, "{name}: {value}");
        assert_eq!(header(&response, "www-authenticate").as_deref(), Some("Bearer"));
        let problem: Value = response.json().await.expect("a problem");
        assert_eq!(problem["error"], error, "{name}: {value}");
    }
    for (name, value) in [("authorization", format!("Bearer {}", app.key)), ("x-api-key", app.key.clone())] {
        assert_eq!(send(app.bare(Method::GET, "/api/sessions").header(name, value)).await.status(), 200);
    }
    assert_eq!(send(app.bare(Method::GET, "/metrics")).await.status(), 401);
    // What is wrong with a request is told only to those who may make it.
    assert_eq!(answer(app.bare(Method::POST, "/api/sessions").body("{")).await.0, 401);
    let metrics = send(app.request(Method::GET, "/metrics")).await.text().await.expect("text");
    assert!(metrics.contains("podling_auth_failures_total{reason=\"invalid-key\"}"), "{metrics}");
}

#[tokio::test]
async fn the_local_owner_needs_no_key_but_a_loopback_host_and_its_own_origin() {
    let app = with_local_owner().await;
    let port = app.base.rsplit(':').next().expect("a port").to_owned();
    let status = async |host: &str, origin: Option<&str>| {
        let request = app.bare(Method::POST, "/api/sessions").header("host", host).json(&command());
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        answer(request).await
    };
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(status(&host, None).await.0, 201, "{host}");
        assert_eq!(status(&host, Some(&format!("http://{host}"))).await.0, 201, "{host}");
    }
    let ours = format!("localhost:{port}");
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost".into(), "127.0.0.1:1".into()] {
        let (code, problem) = status(&host, None).await;
        assert_eq!((code, &problem["type"]), (403, &json!("urn:podling:problem:foreign-host")), "{host}");
    }
    for origin in ["http://evil.example", "null", "http://localhost:1", &format!("http://127.0.0.1:{port}")] {
        let (code, problem) = status(&ours, Some(origin)).await;
        assert_eq!((code, &problem["type"]), (403, &json!("urn:podling:problem:foreign-origin")), "{origin}");
    }
    assert_eq!(app.count().await, 6);
}

#[tokio::test]
async fn a_wrong_key_is_never_taken_for_the_local_owner() {
    let app = with_local_owner().await;
    let ask = |change: fn(RequestBuilder) -> RequestBuilder| answer(change(app.bare(Method::GET, "/api/sessions")));
    assert_eq!(ask(|request| request).await.0, 200);
    assert_eq!(ask(|request| request.bearer_auth("podling_a_b")).await.0, 401);
    assert_eq!(ask(|request| request.header("x-api-key", "")).await.0, 401);
    assert_eq!(ask(|request| request.header("authorization", "Basic x")).await.0, 401);
    assert_eq!(ask(|request| request.header("x-forwarded-for", "192.0.2.1")).await.0, 401);
    let keyed = App::start().await;
    assert_eq!(answer(keyed.bare(Method::GET, "/api/sessions")).await.0, 401);
}

#[tokio::test]
async fn an_allowed_origin_is_echoed_and_another_gets_no_word_of_cors() {
    let app = with_origins(&["https://a.example"]).await;
    let allowed = |response: &reqwest::Response| header(response, "access-control-allow-origin");
    let from = |origin: &'static str| app.request(Method::GET, "/api/sessions").header("origin", origin);
    let response = send(from("https://a.example")).await;
    assert_eq!((response.status().as_u16(), allowed(&response).as_deref()), (200, Some("https://a.example")));
    assert!(header(&response, "access-control-expose-headers").expect("a list").contains("x-request-id"));
    let response = send(from("https://b.example")).await;
    assert_eq!((response.status().as_u16(), allowed(&response)), (200, None));

    let preflight = |origin: &'static str| {
        let request = app.bare(Method::OPTIONS, "/api/sessions").header("origin", origin);
        send(request.header("access-control-request-method", "POST"))
    };
    let response = preflight("https://a.example").await;
    assert_eq!((response.status().as_u16(), allowed(&response).as_deref()), (204, Some("https://a.example")));
    assert!(header(&response, "access-control-allow-headers").expect("a list").contains("authorization"));
    assert_eq!(header(&response, "vary").as_deref(), Some("origin"));
    let refused = preflight("https://b.example").await;
    assert_eq!(refused.status(), 204);
    assert!(!refused.headers().keys().any(|name| name.as_str().starts_with("access-control")));

    let any = with_origins(&["*"]).await;
    let response = send(any.request(Method::GET, "/api/sessions").header("origin", "https://b.example")).await;
    assert_eq!(allowed(&response).as_deref(), Some("*"));
}

#[tokio::test]
async fn an_empty_store_gets_one_key_in_a_file_of_its_owners() {
    let app = App::start().await;
    let (keys, seal) = (app.core.principals.as_ref(), &app.core.seal);
    let first = app.path("key");
    assert_eq!(first.metadata().expect("the first key").permissions().mode() & 0o777, 0o600);
    assert!(!bootstrap_key(keys, seal, &first).await.expect("a store with keys"));
    assert!(first.exists(), "what was there stays");
    let second = app.path("second");
    assert!(!bootstrap_key(keys, seal, &second).await.expect("a store with keys"));
    assert!(!second.exists(), "no key that opens nothing is left");
    std::fs::set_permissions(&first, PermissionsExt::from_mode(0o644)).expect("another mode");
    assert!(matches!(bootstrap_key(keys, seal, &first).await, Err(BootstrapError::Exposed(_))));
}
