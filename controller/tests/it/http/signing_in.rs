//! ID tokens: of Firebase, of another issuer, and what is refused of what looks like one.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use podling_controller::identity::{Identity, args::IdentityArgs};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    app::{App, answer, command, header, send},
    issuing::{Issuer, Key, keys, raw},
};

const PROJECT: &str = "acme";

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// What Firebase says of a user.
fn firebase(sub: &str) -> Value {
    json!({
        "iss": format!("https://securetoken.google.com/{PROJECT}"), "aud": PROJECT, "sub": sub, "user_id": sub,
        "iat": now() - 5, "auth_time": now() - 5, "exp": now() + 3_600, "firebase": { "sign_in_provider": "password" },
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn trusting(args: IdentityArgs) -> App {
    App::start_with(|core| {
        let identity = Identity::new(core.principals.clone(), core.seal.clone(), core.clock.clone());
        core.identity = Arc::new(identity.trusting(args.issuers().expect("sound arguments")));
    })
    .await
}

fn project(issuer: &Issuer) -> IdentityArgs {
    let keys = format!("{}/keys", issuer.url).parse().ok();
    IdentityArgs { firebase_project: Some(PROJECT.into()), firebase_keys_url: keys, ..IdentityArgs::default() }
}

async fn signing_in() -> (App, Issuer) {
    let issuer = Issuer::start(&[&keys()[0]]).await;
    (trusting(project(&issuer)).await, issuer)
}

/// The status and kind of problem with which a token is answered.
async fn ask(app: &App, token: &str) -> (u16, String) {
    let (status, body) = answer(app.bare(Method::GET, "/api/sessions").bearer_auth(token)).await;
    (status, body["type"].as_str().unwrap_or_default().trim_start_matches("urn:podling:problem:").to_owned())
}

async fn create(app: &App, token: &str) -> String {
    let (status, made) = answer(app.bare(Method::POST, "/api/sessions").bearer_auth(token).json(&command())).await;
    assert_eq!(status, 201, "{made}");
    made["uid"].as_str().expect("a uid").to_owned()
}

async fn sees(app: &App, token: &str, uid: &str) -> u16 {
    answer(app.bare(Method::GET, &format!("/api/sessions/{uid}")).bearer_auth(token)).await.0
}

#[tokio::test]
async fn a_user_of_firebase_has_sessions_that_no_other_finds() {
    let (app, _issuer) = signing_in().await;
    let [ann, bob] = ["ann", "bob"].map(|sub| keys()[0].sign(&firebase(sub)));
    let uid = create(&app, &ann).await;
    assert_eq!(sees(&app, &ann, &uid).await, 200);
    for (method, rest) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/stop"), (Method::POST, "/token")] {
        let path = format!("/api/sessions/{uid}{rest}");
        assert_eq!(answer(app.bare(method, &path).bearer_auth(&bob)).await.0, 404, "{path}");
    }
    assert_eq!(sees(&app, &ann, &uid).await, 200);
    assert_eq!(app.get(&format!("/api/sessions/{uid}")).await.0, 404, "not by a key either");
    assert_eq!(send(app.bare(Method::GET, "/metrics").bearer_auth(&ann)).await.status(), 403);
    assert_eq!(send(app.bare(Method::GET, "/api/keys").bearer_auth(&ann)).await.status(), 403);
}

#[tokio::test]
async fn a_token_that_is_not_firebases_own_sound_and_in_time_opens_nothing() {
    let (app, _issuer) = signing_in().await;
    let [key, stranger] = keys();
    let sound = || firebase("ann");
    let forged = Key::sign(stranger, &sound()).replace(&header_of(stranger), &header_of(key));
    let text = sound().to_string();
    let twice = format!("{},\"sub\":\"bob\"}}", &text[..text.len() - 1]);
    let none = json!({ "alg": "none", "typ": "JWT" });
    let (_, signature) = key.sign(&sound()).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("parts");
    let kid = |kid: &str| json!({ "alg": "RS256", "kid": kid });
    let rows = [
        ("another project", key.sign(&with(sound(), "aud", json!("other"))), "invalid-token"),
        (
            "another issuer",
            key.sign(&with(sound(), "iss", json!("https://securetoken.google.com/other"))),
            "invalid-key",
        ),
        ("expired", key.sign(&with(sound(), "exp", json!(now() - 61))), "invalid-token"),
        ("from the future", key.sign(&with(sound(), "iat", json!(now() + 120))), "invalid-token"),
        ("signed in in the future", key.sign(&with(sound(), "auth_time", json!(now() + 120))), "invalid-token"),
        ("no auth_time", key.sign(&with(sound(), "auth_time", Value::Null)), "invalid-token"),
        ("no sub", key.sign(&with(sound(), "sub", Value::Null)), "invalid-token"),
        ("empty sub", key.sign(&with(sound(), "sub", json!(""))), "invalid-token"),
        ("no exp", key.sign(&with(sound(), "exp", Value::Null)), "invalid-token"),
        ("no iat", key.sign(&with(sound(), "iat", Value::Null)), "invalid-token"),
        ("no aud", key.sign(&with(sound(), "aud", Value::Null)), "invalid-token"),
        ("no iss", key.sign(&with(sound(), "iss", Value::Null)), "invalid-key"),
        ("a bad tenant", key.sign(&with(sound(), "tenantId", json!(7))), "invalid-token"),
        ("another's key", forged, "invalid-token"),
        ("unknown kid", stranger.sign(&sound()), "invalid-token"),
        ("HS256 with the public key", key.sign_with_public_key(&sound()), "invalid-token"),
        ("alg none", raw(&none, &text, ""), "invalid-token"),
        ("alg none, signed", raw(&none, &text, &signature), "invalid-token"),
        ("no alg", raw(&json!({ "kid": key.kid }), &text, &signature), "invalid-token"),
        ("no kid", raw(&json!({ "alg": "RS256" }), &text, &signature), "invalid-token"),
        ("a kid that is a path", raw(&kid("../../keys"), &text, &signature), "invalid-token"),
        ("no signature", raw(&kid(key.kid), &text, ""), "invalid-token"),
        ("another's signature", raw(&kid(key.kid), &text, &signature), "invalid-token"),
        (
            "critical",
            raw(&json!({ "alg": "RS256", "kid": key.kid, "crit": ["b64"], "b64": false }), &text, &signature),
            "invalid-token",
        ),
        ("a claim twice", raw(&kid(key.kid), &twice, &signature), "invalid-key"),
        ("huge", key.sign(&with(sound(), "pad", json!("x".repeat(16_384)))), "invalid-key"),
    ];
    for (name, token, kind) in rows {
        let request = app.bare(Method::POST, "/api/sessions").bearer_auth(&token).json(&command());
        let response = send(request).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "www-authenticate").as_deref()),
            (401, Some("Bearer")),
            "{name}"
        );
        let problem: Value = response.json().await.expect("a problem");
        assert_eq!(problem["type"], format!("urn:podling:problem:{kind}"), "{name}");
    }
    let good = key.sign(&sound());
    assert_eq!(ask(&app, &good).await.0, 200);
    let (_, page) = answer(app.bare(Method::GET, "/api/sessions").bearer_auth(&good)).await;
    assert_eq!(page["count"], 0);
}

fn header_of(key: &Key) -> String {
    let token = key.sign(&json!({}));
    token.split('.').next().expect("a header").to_owned()
}

#[tokio::test]
async fn the_emulators_tokens_are_good_in_its_mode_alone_and_signed_ones_are_not() {
    let emulated = |sub: &str| {
        let claims = with(firebase(sub), "aud", json!("demo-x"));
        with(claims, "iss", json!("https://securetoken.google.com/demo-x"))
    };
    let token = raw(&json!({ "alg": "none", "typ": "JWT" }), &emulated("ann").to_string(), "");
    let host = Some("127.0.0.1:9099".to_owned());
    let demo = Some("demo-x".to_owned());
    let app =
        trusting(IdentityArgs { firebase_project: demo.clone(), firebase_emulator: host, ..IdentityArgs::default() })
            .await;
    let uid = create(&app, &token).await;
    assert_eq!(sees(&app, &token, &uid).await, 200);
    let expired = with(emulated("ann"), "exp", json!(now() - 61)).to_string();
    let other = with(emulated("ann"), "aud", json!("demo-y")).to_string();
    let none = json!({ "alg": "none", "typ": "JWT" });
    for (name, bad) in [
        ("signed", keys()[0].sign(&emulated("ann"))),
        ("with a kid", raw(&json!({ "alg": "none", "kid": "x" }), &emulated("ann").to_string(), "")),
        ("with a signature", raw(&none, &emulated("ann").to_string(), "AAAA")),
        ("expired", raw(&none, &expired, "")),
        ("of another project", raw(&none, &other, "")),
        ("of a real project", raw(&none, &firebase("ann").to_string(), "")),
    ] {
        assert_eq!(ask(&app, &bad).await.0, 401, "{name}");
    }
    let issuer = Issuer::start(&[&keys()[0]]).await;
    let app = trusting(IdentityArgs { firebase_project: demo, ..project(&issuer) }).await;
    assert_eq!(ask(&app, &token).await.0, 401, "without the emulator");
    assert_eq!(ask(&app, &keys()[0].sign(&emulated("ann"))).await.0, 200);
}

#[tokio::test]
async fn one_sub_of_two_issuers_and_a_claim_that_is_anothers_id_share_nothing() {
    let (google, login) = (Issuer::start(&[&keys()[0]]).await, Issuer::start(&[&keys()[1]]).await);
    let oidc = vec![format!("podling@{}", login.url).parse().expect("an issuer")];
    let app = trusting(IdentityArgs { oidc, ..project(&google) }).await;
    let elsewhere =
        |sub: &str| json!({ "iss": login.url, "aud": ["podling"], "sub": sub, "iat": now(), "exp": now() + 60 });
    let tokens = [
        keys()[0].sign(&firebase("ann")),
        keys()[1].sign(&elsewhere("ann")),
        keys()[0].sign(&with(firebase("bob"), "tenantId", json!("ann"))),
        keys()[1].sign(&with(elsewhere("bob"), "tenantId", json!("ann"))),
        keys()[0].sign(&with(with(firebase("carol"), "tenantId", json!("ann")), "podlingRole", json!("user"))),
    ];
    let mut uids = Vec::new();
    for token in &tokens {
        uids.push(create(&app, token).await);
    }
    for (owner, token) in tokens.iter().enumerate() {
        for (other, uid) in uids.iter().enumerate() {
            assert_eq!(sees(&app, token, uid).await, if owner == other { 200 } else { 404 }, "{owner} of {other}");
        }
    }
    // An admin of the claim's tenant sees its members alone: neither the user of that id nor the other issuer's.
    let admin = with(with(firebase("eve"), "tenantId", json!("ann")), "podlingRole", json!("tenant-admin"));
    let admin = keys()[0].sign(&admin);
    let mut seen = Vec::new();
    for uid in &uids {
        seen.push(sees(&app, &admin, uid).await);
    }
    assert_eq!(seen, [404, 404, 200, 404, 200]);
    let crossed = keys()[0].sign(&elsewhere("ann"));
    assert_eq!(ask(&app, &crossed).await, (401, "invalid-token".to_owned()), "each issuer has its own keys");
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_nobody_new_is_let_in_and_known_keys_go_on() {
    let (app, issuer) = signing_in().await;
    issuer.go_down(true);
    let token = keys()[0].sign(&firebase("ann"));
    let response = send(app.bare(Method::GET, "/api/sessions").bearer_auth(&token)).await;
    assert_eq!((response.status().as_u16(), header(&response, "retry-after").as_deref()), (503, Some("1")));
    issuer.go_down(false);
    sleep(Duration::from_millis(1_010)).await; // Of a server that is down no more is asked within a second.
    assert_eq!(ask(&app, &token).await.0, 200);
    issuer.go_down(true);
    assert_eq!(ask(&app, &token).await.0, 200);
    sleep(Duration::from_millis(1_010)).await;
    let unknown = keys()[1].sign(&firebase("ann"));
    assert_eq!(ask(&app, &unknown).await, (503, "unavailable".to_owned()));
    assert_eq!(ask(&app, &token).await.0, 200);
    issuer.go_down(false);
    issuer.publish(&keys()[1]);
    sleep(Duration::from_millis(1_010)).await;
    assert_eq!(ask(&app, &unknown).await.0, 200, "a key that was published since");
}

#[tokio::test]
async fn of_100_tokens_at_once_one_fetches_the_keys_and_made_up_ones_cause_one_a_second() {
    let (app, issuer) = signing_in().await;
    let good = keys()[0].sign(&firebase("ann"));
    let answers = join_all((0..100).map(|_| ask(&app, &good))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(issuer.fetches(), 1);
    let made_up = raw(&json!({ "alg": "RS256", "kid": "made up" }), &firebase("ann").to_string(), "AAAA");
    let began = std::time::Instant::now();
    let answers = join_all((0..200).map(|_| ask(&app, &made_up))).await;
    assert!(answers.iter().all(|(status, _)| *status == 401), "{answers:?}");
    let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
    assert!(issuer.fetches() <= 2 + seconds, "{} fetches", issuer.fetches());
}

#[tokio::test]
async fn a_token_that_was_revoked_or_is_of_a_disabled_account_is_refused_where_that_is_asked() {
    let issuer = Issuer::start(&[&keys()[0]]).await;
    let place = format!("{}/v1/accounts:lookup", issuer.url).parse().ok();
    let key = Some("web-key".to_owned());
    let app = trusting(IdentityArgs { firebase_api_key: key, firebase_accounts_url: place, ..project(&issuer) }).await;
    let token = |sub: &str| keys()[0].sign(&firebase(sub));
    let user = |sub: &str, since: i64, disabled: bool| json!({ "localId": sub, "validSince": since.to_string(), "disabled": disabled });
    let ask_of = async |sub: &str, told: Value| {
        issuer.tell_of_user(told);
        ask(&app, &token(sub)).await
    };
    let refused = (401, "invalid-token".to_owned());
    let unavailable = (503, "unavailable".to_owned());
    assert_eq!(ask_of("ann", user("ann", now() - 60, false)).await.0, 200);
    assert_eq!(ask_of("ann", user("ann", now(), true)).await.0, 200, "what is known is kept for half a minute");
    assert_eq!(ask_of("bob", user("bob", now() + 1, false)).await, refused);
    assert_eq!(ask_of("carol", user("carol", 0, true)).await, refused);
    assert_eq!(ask_of("dan", user("another", 0, false)).await, refused);
    for message in ["USER_NOT_FOUND", "TOKEN_EXPIRED", "INVALID_ID_TOKEN : revoked"] {
        assert_eq!(ask_of("eve", json!(message)).await, refused, "{message}");
    }
    assert_eq!(ask_of("eve", json!("API key not valid. Please pass a valid API key.")).await, unavailable);
    assert_eq!(ask_of("eve", user("eve", 0, false)).await.0, 200);
    issuer.go_down(true);
    assert_eq!(ask(&app, &token("frank")).await, unavailable);
}
