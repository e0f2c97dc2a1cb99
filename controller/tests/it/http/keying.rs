//! API keys: what each scope and role may do, and how admins of a tenant manage them.

use std::time::Duration;

use podling_controller::identity;
use podling_session::{principal::Role, scopes::Scopes};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::app::{Answer, App, answer, command, header, send};

const ACME: &str = "test:claim:acme";

async fn ask(app: &App, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = app.bare(method, path).bearer_auth(key);
    match body {
        Some(body) => answer(request.json(body)).await,
        None => answer(request).await,
    }
}

#[tokio::test]
async fn a_key_that_may_only_read_changes_nothing() {
    let app = App::start().await;
    let (_, made) = ask(&app, &admin(&app).await, Method::POST, "/api/keys", Some(&json!({ "subject": "ann" }))).await;
    let full = made["api_key"].as_str().expect("a key").to_owned();
    let body = json!({ "subject": "ann", "scopes": ["sessions:read"] });
    let (_, made) = ask(&app, &admin(&app).await, Method::POST, "/api/keys", Some(&body)).await;
    let read = made["api_key"].as_str().expect("a key").to_owned();
    let (_, session) = ask(&app, &full, Method::POST, "/api/sessions", Some(&command())).await;
    let path = format!("/api/sessions/{}", session["uid"].as_str().expect("a uid"));
    let changes = [
        (Method::POST, "/api/sessions".to_owned(), Some(command())),
        (Method::POST, format!("{path}/stop"), None),
        (Method::POST, format!("{path}/token"), None),
        (Method::DELETE, path.clone(), None),
        (Method::POST, "/api/bundles".to_owned(), Some(json!({ "sha256": "0".repeat(64), "bytes": 1 }))),
    ];
    for (method, path, body) in changes {
        let (status, problem) = ask(&app, &read, method.clone(), &path, body.as_ref()).await;
        assert_eq!((status, &problem["type"]), (403, &json!("urn:podling:problem:scope")), "{method} {path}");
    }
    for path in [path.as_str(), "/api/sessions"] {
        assert_eq!(ask(&app, &read, Method::GET, path, None).await.0, 200, "{path}");
    }
    assert_eq!(ask(&app, &read, Method::GET, &path, None).await.1["phase"], "pending");
    assert_eq!(ask(&app, &full, Method::POST, &format!("{path}/stop"), None).await.0, 200);
}

async fn admin(app: &App) -> String {
    app.key_of(ACME, Role::TenantAdmin, None).await
}

#[tokio::test]
async fn only_admins_of_a_tenant_manage_keys_over_http() {
    let app = App::start().await;
    let admins = admin(&app).await;
    let id = ask(&app, &admins, Method::GET, "/api/keys", None).await.1["keys"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    let user = app.key_of(ACME, Role::User, None).await;
    let limited = app.key_of(ACME, Role::TenantAdmin, Some(Scopes::READ | Scopes::WRITE)).await;
    let stranger = app.key_of("test:claim:other", Role::TenantAdmin, None).await;
    let requests = |id: &str| {
        [
            (Method::POST, format!("/api/keys/{id}/rotate"), Some(json!({}))),
            (Method::DELETE, format!("/api/keys/{id}"), None),
            (Method::GET, "/api/keys".to_owned(), None),
            (Method::POST, "/api/keys".to_owned(), Some(json!({}))),
        ]
    };
    for (key, kind) in [(&user, "role"), (&app.key, "role"), (&limited, "scope")] {
        for (method, path, body) in requests(id) {
            let (status, problem) = ask(&app, key, method.clone(), &path, body.as_ref()).await;
            let expected = json!(format!("urn:podling:problem:{kind}"));
            assert_eq!((status, &problem["type"]), (403, &expected), "{method} {path}");
        }
    }
    // A foreign key is as one that is not there.
    for (method, path, body) in requests(id).into_iter().take(2) {
        let (status, problem) = ask(&app, &stranger, method.clone(), &path, body.as_ref()).await;
        assert_eq!((status, &problem["type"]), (404, &json!("urn:podling:problem:key-not-found")), "{method} {path}");
    }
    let (_, page) = ask(&app, &stranger, Method::GET, "/api/keys", None).await;
    assert!(!page.to_string().contains(id));
    assert_eq!(ask(&app, &admins, Method::GET, "/api/keys", None).await.1["keys"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_key_is_told_once_used_rotated_and_revoked() {
    let app = App::start().await;
    let admins = admin(&app).await;
    let body = json!({ "name": "nightly", "subject": "ci", "expires_in_seconds": 3600 });
    let response = send(app.bare(Method::POST, "/api/keys").bearer_auth(&admins).json(&body)).await;
    assert_eq!(header(&response, "cache-control").as_deref(), Some("no-store"));
    let made: Value = response.json().await.expect("JSON");
    let (id, first) = (made["id"].as_str().expect("an id"), made["api_key"].as_str().expect("a key"));
    assert_eq!((&made["subject"], &made["role"], &made["last_used_at"]), (&json!("ci"), &json!("user"), &Value::Null));
    assert!(made["expires_at"].is_string());
    let works = async |key: &str| ask(&app, key, Method::GET, "/api/sessions", None).await.0;
    assert_eq!(works(first).await, 200);

    let rotate =
        async |body: Value| ask(&app, &admins, Method::POST, &format!("/api/keys/{id}/rotate"), Some(&body)).await;
    let (status, rotated) = rotate(json!({ "overlap_seconds": 60 })).await;
    let second = rotated["api_key"].as_str().expect("a key");
    assert_eq!((status, works(first).await, works(second).await), (200, 200, 200));
    let (_, rotated) = rotate(json!({ "overlap_seconds": 0 })).await;
    let third = rotated["api_key"].as_str().expect("a key");
    assert_eq!((works(first).await, works(second).await, works(third).await), (401, 401, 200));

    let stopped = CancellationToken::new();
    stopped.cancel();
    identity::run(app.core.clone(), stopped).await;
    let (_, page) = ask(&app, &admins, Method::GET, "/api/keys", None).await;
    let row = page["keys"].as_array().expect("keys").iter().find(|key| key["id"] == id).expect("it is listed").clone();
    assert!(row["last_used_at"].is_string(), "{row}");
    for secret in [first, second, third] {
        assert!(!page.to_string().contains(secret.rsplit('_').next().expect("a secret")));
    }

    let (status, revoked) = ask(&app, &admins, Method::DELETE, &format!("/api/keys/{id}"), None).await;
    assert_eq!((status, revoked["revoked_at"].is_string(), works(third).await), (200, true, 401));
    assert_eq!(rotate(json!({})).await.0, 409);
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let app = App::start().await;
    let wanted = podling_controller::keys::Wanted {
        tenant: ACME.parse().expect("a tenant"),
        subject: None,
        role: Role::User,
        scopes: None,
        name: String::new(),
        life: Some(Duration::from_secs(60)),
    };
    let made = podling_controller::keys::create(&app.core, wanted).await.expect("a key");
    let later = made.key.expires_at.expect("it expires");
    let clock = std::sync::Arc::new(podling_controller::clock::StoreClock::from(later));
    let then = identity::Identity::new(app.core.principals.clone(), app.core.seal.clone(), clock);
    let secret = secrecy::ExposeSecret::expose_secret(&made.secret);
    assert!(app.core.identity.bearer(secret).await.is_ok());
    assert!(matches!(then.bearer(secret).await, Err(identity::Refused::Over)));
}

#[tokio::test]
async fn bad_keys_and_bad_questions_name_the_field() {
    let app = App::start().await;
    let admins = admin(&app).await;
    let check = async |request: RequestBuilder, field: &str| {
        let (status, problem) = answer(request.bearer_auth(&admins)).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    };
    let create = |body: Value| app.bare(Method::POST, "/api/keys").json(&body);
    check(create(json!({ "role": "operator" })), "role").await;
    check(create(json!({ "scopes": [] })), "scopes").await;
    check(create(json!({ "scopes": ["sessions:all"] })), "scopes").await;
    check(create(json!({ "scopes": ["admin"] })), "scopes").await;
    check(create(json!({ "expires_in_seconds": 1 })), "expires_in_seconds").await;
    check(create(json!({ "subject": "" })), "subject").await;
    check(create(json!({ "name": "x".repeat(65) })), "name").await;
    check(app.bare(Method::GET, "/api/keys?limit=0"), "limit").await;
    check(app.bare(Method::GET, "/api/keys?cursor=x"), "cursor").await;
    let rotate = app.bare(Method::POST, "/api/keys/0123456789abcdef/rotate");
    check(rotate.json(&json!({ "overlap_seconds": 2_592_001 })), "overlap_seconds").await;
    assert_eq!(ask(&app, &admins, Method::DELETE, "/api/keys/x", None).await.0, 400);
    assert_eq!(ask(&app, &admins, Method::POST, "/api/keys", Some(&json!({ "tenant": "x" }))).await.0, 400);
}

#[tokio::test]
async fn a_tenant_admin_sees_and_ends_the_sessions_of_its_tenant_alone() {
    let app = App::start().await;
    let (admins, user) = (admin(&app).await, app.key_of(ACME, Role::User, None).await);
    let other = app.key_of("test:claim:other", Role::User, None).await;
    let create = async |key: &str| ask(&app, key, Method::POST, "/api/sessions", Some(&command())).await.1;
    let (theirs, foreign) = (create(&user).await, create(&other).await);
    let uid = |session: &Value| session["uid"].as_str().expect("a uid").to_owned();
    let (_, page) = ask(&app, &admins, Method::GET, "/api/sessions", None).await;
    assert_eq!((&page["count"], &page["sessions"][0]["uid"]), (&json!(1), &theirs["uid"]));
    let stop = async |session: &Value| {
        ask(&app, &admins, Method::POST, &format!("/api/sessions/{}/stop", uid(session)), None).await.0
    };
    assert_eq!((stop(&theirs).await, stop(&foreign).await), (200, 404));
    // An operator has the admin gRPC; over HTTP it has its own sessions.
    assert_eq!(app.get(&format!("/api/sessions/{}", uid(&theirs))).await.0, 404);
    assert_eq!(app.count().await, 0);
    for (key, status) in [(&admins, 403), (&user, 403), (&app.key, 200)] {
        assert_eq!(send(app.bare(Method::GET, "/metrics").bearer_auth(key)).await.status(), status);
    }
}
