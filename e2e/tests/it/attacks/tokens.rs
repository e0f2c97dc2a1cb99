//! Tokens that were forged, stolen, spent, or made for another door.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use podling_e2e::{
    form::Form,
    podling::Podling,
    viewer::{Plain, Viewer},
};
use podling_session::id::AttachNonce;
use reqwest::StatusCode;
use serde_json::{Value, json};

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(token: &str, index: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).expect("a part")).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What the adversary has: a good token to copy from, and, worse than any real one, the signing key itself.
struct Forge {
    header: Value,
    claims: Value,
    key: EncodingKey,
}

impl Forge {
    fn new(podling: &Podling, token: &str) -> Forge {
        let folder = podling.data_dir().join("keys/signing").read_dir().expect("the folder of keys");
        let mut paths = folder.map(|entry| entry.expect("an entry").path());
        let path = paths.find(|path| path.extension().is_some_and(|kind| kind == "pem")).expect("the signing key");
        let pem = std::fs::read(path).expect("the signing key");
        let key = EncodingKey::from_rsa_pem(&pem).expect("an RSA key");
        Forge { header: part(token, 0), claims: part(token, 1), key }
    }

    /// Signed by the real key, whatever it says.
    fn signed(&self, header: &Value, claims: &str) -> String {
        let message = format!("{}.{}", base64(header.to_string()), base64(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::RS256).expect("a key");
        format!("{message}.{signature}")
    }

    /// A token of the real key with one claim changed; null takes it out. The `jti` is always a new one.
    fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims["jti"] = json!(podling_session::id::TokenId::new().to_string());
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        self.signed(&self.header, &claims.to_string())
    }

    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        match value {
            Value::Null => drop(header.as_object_mut().expect("an object").remove(name)),
            value => header[name] = value,
        }
        self.signed(&header, &self.claims.to_string())
    }
}

async fn refused(podling: &Podling, uid: &str, what: &str, token: &str) {
    let plain = Plain::attach(&podling.url, uid, token).await;
    assert_eq!(plain.err().map(|(status, _)| status), Some(StatusCode::UNAUTHORIZED), "{what}, plain");
    let mut framed = Viewer::attach(&podling.url, uid, token, AttachNonce::random()).await;
    assert_eq!(framed.to_end().await.code, 4401, "{what}, framed");
}

#[tokio::test]
async fn no_forged_or_altered_token_opens_a_session() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let forge = Forge::new(&podling, &session.token);
    let now = forge.claims["iat"].as_i64().expect("seconds");
    let (_, jwks) = podling.get("/.well-known/jwks.json").await;
    let modulus = jwks["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    let unsigned = |alg: &str| {
        format!(
            "{}.{}.",
            base64(json!({ "alg": alg, "kid": forge.header["kid"] }).to_string()),
            base64(forge.claims.to_string())
        )
    };
    let hs256 = |secret: &[u8]| {
        let header = Header { kid: forge.header["kid"].as_str().map(str::to_owned), ..Header::new(Algorithm::HS256) };
        encode(&header, &forge.claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let text = forge.claims.to_string();
    let doubled = text.replacen('{', &format!("{{\"sid\":\"{}\",", podling_session::id::Uid::new()), 1);
    let mut rows = vec![
        ("alg none", unsigned("none")),
        ("alg NONE", unsigned("NONE")),
        ("RS256 without a signature", unsigned("RS256")),
        ("HS256 by the modulus as text", hs256(modulus.as_bytes())),
        ("HS256 by the modulus", hs256(&URL_SAFE_NO_PAD.decode(&modulus).expect("base64"))),
        ("HS256 by the key set", hs256(jwks.to_string().as_bytes())),
        ("an unknown kid", forge.with_header("kid", json!("other"))),
        ("a kid that is a path", forge.with_header("kid", json!("../../seal.key"))),
        ("no kid", forge.with_header("kid", Value::Null)),
        ("alg PS256 in the header", forge.with_header("alg", json!("PS256"))),
        ("a critical extension that nobody knows", forge.with_header("crit", json!(["exp"]))),
        ("another issuer", forge.with("iss", json!("evil"))),
        ("another audience", forge.with("aud", json!("api"))),
        ("a list of audiences", forge.with("aud", json!(["ws", "api"]))),
        ("another session", forge.with("sid", json!(podling_session::id::Uid::new().to_string()))),
        ("another tenant", forge.with("tid", json!("local:user:other"))),
        ("an unknown scope", forge.with("scope", json!("terminal:all"))),
        ("expired an hour ago", forge.with("exp", json!(now - 3_600))),
        ("expired within the gateway's slack", forge.with("exp", json!(now - 60))),
        ("issued an hour from now", forge.with("iat", json!(now + 3_600))),
        ("issued within the gateway's slack", forge.with("iat", json!(now + 120))),
        ("a time that is a text", forge.with("exp", json!("9999999999"))),
        ("a jti that is no id", forge.with("jti", json!("1"))),
        ("a doubled claim", forge.signed(&forge.header, &doubled)),
        ("claims that are a list", forge.signed(&forge.header, "[]")),
        ("20 KB of token", forge.with("pad", json!("x".repeat(20_000)))),
        (
            "an API key",
            std::fs::read_to_string(podling.data_dir().join("operator.key")).expect("a key").trim().to_owned(),
        ),
    ];
    for claim in ["iss", "aud", "sub", "sid", "tid", "jti", "iat", "exp", "scope"] {
        rows.push(("a missing claim", forge.with(claim, Value::Null)));
    }
    let mut cut = session.token.clone();
    cut.pop();
    rows.push(("a signature cut short", cut));
    for (what, token) in &rows {
        refused(&podling, &session.uid, what, token).await;
    }
    let own = Plain::attach(&podling.url, &session.uid, &session.token).await;
    own.expect("none of them spent the token that they were copied from").sees("ready").await;
}

#[tokio::test]
async fn every_capability_opens_its_own_door_only() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    let (_, resume) = viewer.resume.clone().expect("the resume frame comes first");
    let fresh = podling.token(&session.uid).await;
    refused(&podling, &session.uid, "a resume token as a session token", &resume).await;
    let mut swapped = Viewer::resume(&podling.url, &session.uid, &fresh, 0).await;
    assert_eq!(swapped.to_end().await.code, 4401, "a session token as a resume token");
    for (what, key) in [("a session token", &fresh), ("a resume token", &resume)] {
        let url = format!("{}/api/sessions/{}", podling.url, session.uid);
        let answer = podling.http.get(url).bearer_auth(key).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{what} as an API key");
    }
    let other = podling.run("sleep 600").await;
    let mut foreign = Viewer::resume(&podling.url, &other.uid, &resume, 0).await;
    assert_eq!(foreign.to_end().await.code, 4401, "a resume token on another session");
    assert!(Plain::attach(&podling.url, &session.uid, &fresh).await.is_ok(), "the wrong doors spent nothing");
}

#[tokio::test]
async fn a_confirmed_generation_makes_all_before_it_worthless() {
    let podling = Podling::start().await;
    let session = podling.run("echo ready; sleep 600").await;
    let mut first = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    first.sees("ready").await;
    let (_, old) = first.cut().expect("a resume token");
    let mut second = Viewer::resume(&podling.url, &session.uid, &old, 0).await;
    second.sees("ready").await; // It has acked its own resume token by now, which confirms that.
    let (generation, new) = second.resume.clone().expect("a resume token");
    let mut thief = Viewer::resume(&podling.url, &session.uid, &old, 0).await;
    assert_eq!(thief.to_end().await.code, 4401, "generation {} after {generation}", generation - 1);
    let mut third = Viewer::resume(&podling.url, &session.uid, &new, 0).await;
    third.sees("ready").await;
    assert_eq!(second.to_end().await.code, 4409);
}

#[tokio::test]
async fn nothing_opens_a_deleted_session_and_no_restart_makes_a_token_new() {
    let mut podling = Podling::start().await;
    let gone = podling.run("echo ready; sleep 600").await;
    let mut viewer = Viewer::attach(&podling.url, &gone.uid, &gone.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    let (_, resume) = viewer.resume.clone().expect("a resume token");
    let unspent = podling.token(&gone.uid).await;
    podling.delete(&format!("/api/sessions/{}", gone.uid)).await;
    let plain = Plain::attach(&podling.url, &gone.uid, &unspent).await;
    assert_eq!(plain.err().map(|(status, _)| status), Some(StatusCode::NOT_FOUND));
    let mut framed = Viewer::resume(&podling.url, &gone.uid, &resume, 0).await;
    assert_eq!(framed.to_end().await.code, 4404);

    let kept = podling.run("echo kept").await;
    podling.reaches(&kept.uid, "ended").await;
    let unspent = podling.token(&kept.uid).await;
    Plain::attach(&podling.url, &kept.uid, &kept.token).await.expect("unspent").sees("kept").await;
    podling.kill().await;
    podling.restart().await;
    refused(&podling, &kept.uid, "spent before the restart", &kept.token).await;
    match Form::of_this_run() {
        Form::Embedded => refused(&podling, &kept.uid, "made before the restart, so perhaps spent", &unspent).await,
        Form::Replicated => {
            let attached = Plain::attach(&podling.url, &kept.uid, &unspent).await;
            attached.expect("Redis knows that it is not spent").sees("kept").await;
        }
    }
    let fresh = podling.token(&kept.uid).await;
    Plain::attach(&podling.url, &kept.uid, &fresh).await.expect("a fresh token").sees("kept").await;
}
