//! An issuer of ID tokens at a loopback port, with keys of its own.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use hyper_util::service::TowerToHyperService;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A key that signs tokens.
pub(crate) struct Key {
    private: RsaPrivateKey,
    pub(crate) kid: &'static str,
}

/// Two keys: making one takes a second, so that all tests share them.
pub(crate) fn keys() -> &'static [Key; 2] {
    static KEYS: OnceLock<[Key; 2]> = OnceLock::new();
    KEYS.get_or_init(|| {
        let key = |kid| {
            let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).expect("a key");
            Key { private, kid }
        };
        [key("first"), key("second")]
    })
}

impl Key {
    pub(crate) fn jwk(&self) -> Value {
        let text = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": text(self.private.n()), "e": text(self.private.e()) })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let pem = self.private.to_pkcs8_pem(LineEnding::LF).expect("a key");
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key");
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &key).expect("a token")
    }

    /// Signed with the public key as though it were a secret.
    pub(crate) fn sign_with_public_key(&self, claims: &Value) -> String {
        let pem = self.private.to_public_key().to_public_key_pem(LineEnding::LF).expect("a key");
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::HS256) };
        encode(&header, claims, &EncodingKey::from_secret(pem.as_bytes())).expect("a token")
    }
}

/// With any header and signature.
pub(crate) fn raw(header: &Value, claims: &str, signature: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{signature}", encode(&header.to_string()), encode(claims))
}

pub(crate) struct Issuer {
    pub(crate) url: String,
    shown: Arc<Shown>,
    _stop: DropGuard,
    _servers: JoinSet<()>,
}

#[derive(Default)]
struct Shown {
    url: OnceLock<String>,
    keys: Mutex<Vec<Value>>,
    down: AtomicBool,
    fetches: AtomicUsize,
    /// What is told of the one user of a project.
    user: Mutex<Value>,
}

impl Issuer {
    pub(crate) async fn start(keys: &[&Key]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket"));
        let shown =
            Arc::new(Shown { keys: Mutex::new(keys.iter().map(|key| key.jwk()).collect()), ..Shown::default() });
        shown.url.set(url.clone()).expect("the first");
        let router = Router::new()
            .route("/keys", get(key_set))
            .route("/v1/accounts:lookup", post(lookup))
            .route("/.well-known/openid-configuration", get(discovery))
            .with_state(shown.clone());
        let (stop, mut servers) = (CancellationToken::new(), JoinSet::new());
        servers.spawn(podling_daemon::http::serve(listener, TowerToHyperService::new(router), stop.clone()));
        Issuer { url, shown, _stop: stop.drop_guard(), _servers: servers }
    }

    pub(crate) fn publish(&self, key: &Key) {
        self.shown.keys.lock().expect("no test panics with it").push(key.jwk());
    }

    pub(crate) fn go_down(&self, down: bool) {
        self.shown.down.store(down, Ordering::Relaxed);
    }

    pub(crate) fn tell_of_user(&self, user: Value) {
        *self.shown.user.lock().expect("no test panics with it") = user;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.shown.fetches.load(Ordering::Relaxed)
    }
}

async fn key_set(State(shown): State<Arc<Shown>>) -> Result<Json<Value>, StatusCode> {
    shown.fetches.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await; // So that those who ask at once meet.
    if shown.down.load(Ordering::Relaxed) {
        return Err(StatusCode::BAD_GATEWAY);
    }
    Ok(Json(json!({ "keys": *shown.keys.lock().expect("no test panics with it") })))
}

/// As Identity Toolkit answers, whose requests are strict.
async fn lookup(
    State(shown): State<Arc<Shown>>,
    Query(query): Query<Vec<(String, String)>>,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(query, [("key".to_owned(), "web-key".to_owned())]);
    assert!(body["idToken"].is_string() && body.as_object().is_some_and(|fields| fields.len() == 1));
    if shown.down.load(Ordering::Relaxed) {
        return (StatusCode::BAD_GATEWAY, Json(Value::Null));
    }
    match shown.user.lock().expect("no test panics with it").clone() {
        Value::String(message) => (StatusCode::BAD_REQUEST, Json(json!({ "error": { "message": message } }))),
        user => (StatusCode::OK, Json(json!({ "kind": "identitytoolkit#GetAccountInfoResponse", "users": [user] }))),
    }
}

async fn discovery(State(shown): State<Arc<Shown>>) -> Json<Value> {
    let url = shown.url.get().expect("it was set");
    Json(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }))
}
