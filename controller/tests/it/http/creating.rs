//! What a create answers, what its token is, and how a repeat is told.

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use podling_session::{
    id::Uid,
    token::{Expected, Scope, verify},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::app::{App, answer, command, header, send};

#[tokio::test]
async fn a_create_answers_at_once_with_ids_urls_and_a_token() {
    let app = App::start().await;
    let body = json!({
        "command": "npm start",
        "code_url": "https://example.org/a.tar.gz?signature=s1gn4ture",
        "env": { "PLAIN": "env-value" },
        "secrets": { "KEY": "planted-secret" },
        "labels": { "team": "a" },
        "limits": { "pids": 64 },
    });
    let response = send(app.request(Method::POST, "/api/sessions").json(&body)).await;
    assert_eq!(response.status(), 201);
    let place = header(&response, "location").expect("a Location");
    let text = response.text().await.expect("a body");
    for hidden in ["planted-secret", "env-value", "s1gn4ture"] {
        assert!(!text.contains(hidden), "{hidden} is shown");
    }
    let session: Value = serde_json::from_str(&text).expect("JSON");
    let uid = session["uid"].as_str().expect("a uid");
    assert!(uid.parse::<Uid>().is_ok());
    for name in ["id", "session_id", "sessionId"] {
        assert_eq!(session[name], uid);
    }
    let token = session["token"].as_str().expect("a token");
    assert_eq!(session["wsUrl"], format!("/ws/{uid}"));
    assert_eq!(session["terminalUrl"], format!("{}/ws/{uid}?token={token}", app.base));
    assert_eq!(place, format!("/api/sessions/{uid}"));
    assert_eq!((&session["phase"], &session["env"]), (&json!("pending"), &json!(["PLAIN"])));
    assert_eq!((&session["limits"]["pids"], &session["labels"]["team"]), (&json!(64), &json!("a")));
    for time in ["created_at", "expires_at"] {
        assert!(session[time].as_str().expect(time).parse::<Timestamp>().is_ok());
    }
}

#[tokio::test]
async fn a_token_is_rs256_by_a_published_key_and_for_its_session_only() {
    let app = App::start().await;
    let session = app.create(&command()).await;
    let token = session["token"].as_str().expect("a token");
    let response = send(app.bare(Method::GET, "/.well-known/jwks.json")).await;
    assert_eq!(header(&response, "cache-control").as_deref(), Some("public, max-age=100"));
    let keys: Value = response.json().await.expect("JSON");
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("RSA"), &json!("RS256"), &json!("sig")));
    assert!(key["n"].is_string() && key["e"].is_string() && key.get("d").is_none());

    let header = jsonwebtoken::decode_header(token).expect("a JWT");
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    let keys: JwkSet = serde_json::from_value(keys).expect("a key set");
    let expected =
        |uid: Uid| Expected { issuer: "podling", session: uid, now: Timestamp::now(), slack: Duration::ZERO };
    let uid: Uid = session["uid"].as_str().expect("a uid").parse().expect("a uid");
    let claims = verify(token, &keys, &expected(uid)).expect("a good token");
    assert_eq!((claims.exp - claims.iat, claims.scope), (300, Scope::ReadWrite));
    assert_eq!((claims.sub.as_str(), claims.tid.as_str()), ("owner", "local:user:owner"));
    assert!(verify(token, &keys, &expected(Uid::new())).is_err());
}

#[tokio::test]
async fn each_token_of_a_session_is_another() {
    let app = App::start().await;
    let session = app.create(&json!({ "command": "true", "id": "mine" })).await;
    let (status, again) = app.post("/api/sessions/mine/token", &json!({})).await;
    assert_eq!((status, &again["uid"]), (200, &session["uid"]));
    assert_ne!(again["token"], session["token"]);
    assert!(again["terminalUrl"].as_str().expect("a URL").ends_with(again["token"].as_str().expect("a token")));
}

#[tokio::test]
async fn a_repeat_with_the_same_key_and_body_is_the_same_session_with_a_fresh_token() {
    let app = App::start().await;
    let repeat = |key: &'static str, command: &'static str| {
        let body = json!({ "command": command });
        app.request(Method::POST, "/api/sessions").header("idempotency-key", key).json(&body)
    };
    let (status, first) = answer(repeat("k1", "ls")).await;
    assert_eq!(status, 201);
    let response = send(repeat("k1", "ls")).await;
    assert_eq!((response.status().as_u16(), header(&response, "idempotency-replayed").as_deref()), (201, Some("true")));
    let second: Value = response.json().await.expect("JSON");
    assert_eq!(second["uid"], first["uid"]);
    assert_ne!(second["token"], first["token"]);

    let (status, other_body) = answer(repeat("k1", "pwd")).await;
    assert_eq!((status, &other_body["type"]), (409, &json!("urn:podling:problem:idempotency-conflict")));
    let (status, other_key) = answer(repeat("k2", "ls")).await;
    assert_eq!(status, 201);
    assert_ne!(other_key["uid"], first["uid"]);
    assert_eq!(app.count().await, 2);
}

#[tokio::test]
async fn an_id_is_taken_until_its_session_is_deleted() {
    let app = App::start().await;
    let body = json!({ "command": "true", "session_id": "s1" });
    let first = app.create(&body).await;
    assert_eq!((&first["id"], &first["sessionId"]), (&json!("s1"), &json!("s1")));
    let (status, taken) = app.post("/api/sessions", &body).await;
    assert_eq!((status, &taken["id"]), (409, &json!("s1")));
    assert!(taken["error"].is_string());
    assert_eq!(app.delete("/api/sessions/s1").await.0, 200);
    assert_ne!(app.create(&body).await["uid"], first["uid"]);
}
