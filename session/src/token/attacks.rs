//! What an attacker may send in place of a session token. Where a rule on the contents is at stake, the token is signed by
//! the real key: that signature is the only thing an attacker could not make, so nothing but the rule is left to refuse it.

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, jwk::Jwk};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    capability::{Grant, Resume, SessionKey, claimed_session},
    id::{AttachNonce, ViewerId},
};

struct Keys {
    pair: RsaKeyPair,
    jwk: Jwk,
}

impl Keys {
    fn new(kid: &str) -> Keys {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("a document");
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a PEM");
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).expect("a public half");
        jwk.common.key_id = Some(kid.to_owned());
        Keys { pair, jwk }
    }

    /// Any header and any payload, with a signature that is right.
    fn sign(&self, header: &str, payload: &str) -> String {
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).expect("a signature");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// Making a key takes longer than all else here.
static OURS: LazyLock<Keys> = LazyLock::new(|| Keys::new("ours"));
static THEIRS: LazyLock<Keys> = LazyLock::new(|| Keys::new("ours"));
static SESSION: LazyLock<Uid> = LazyLock::new(Uid::new);

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256","kid":"ours"}"#;
const NOW: i64 = 1_100;

fn payload() -> Value {
    json!({
        "iss": "podling", "aud": AUDIENCE, "sub": "owner", "sid": *SESSION, "tid": "local:user:owner",
        "jti": TokenId::new(), "iat": 1_000, "exp": 1_300, "scope": "terminal:rw",
    })
}

fn verified(token: &str) -> Result<Claims, TokenError> {
    let now = Timestamp::from_second(NOW).expect("a small second");
    let expected = Expected { issuer: "podling", session: *SESSION, now, slack: Duration::ZERO };
    verify(token, &JwkSet { keys: vec![OURS.jwk.clone()] }, &expected)
}

fn refused(what: &str, token: &str, why: TokenError) {
    assert_eq!(verified(token).err(), Some(why), "{what}");
}

#[test]
fn what_is_signed_and_keeps_every_rule_is_accepted() {
    assert!(verified(&OURS.sign(HEADER, &payload().to_string())).is_ok());
}

#[test]
fn the_headers_algorithm_is_never_obeyed() {
    let payload = payload().to_string();
    let good = OURS.sign(HEADER, &payload);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let body = signed.split_once('.').expect("two parts").1;
    let with = |header: &str, signature: &str| format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode(header));
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"ours"}}"#);
        refused(alg, &with(&header, ""), TokenError::Malformed);
        refused(alg, &with(&header, signature), TokenError::Malformed);
    }
    // The classic: the public key, which everybody has, as the secret of an HMAC.
    let public = OURS.pair.public_key().as_ref();
    let jwk = serde_json::to_vec(&OURS.jwk).expect("JSON");
    for secret in [public, jwk.as_slice(), b"".as_slice()] {
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"HS256","kid":"ours"}"#);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), format!("{head}.{body}").as_bytes());
        let token = format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        refused("HS256", &token, TokenError::Signature);
    }
    for alg in ["RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"ours"}}"#);
        refused(alg, &OURS.sign(&header, &payload), TokenError::Signature);
    }
    refused("no signature", &with(HEADER, ""), TokenError::Signature);
    refused("no part for it", signed, TokenError::Malformed);
}

#[test]
fn only_a_key_of_ours_by_its_name_counts() {
    let payload = payload().to_string();
    refused("another's key by our name", &THEIRS.sign(HEADER, &payload), TokenError::Signature);
    let brought = json!({ "alg": "RS256", "kid": "ours", "jwk": THEIRS.jwk }).to_string();
    refused("a key that the token brings", &THEIRS.sign(&brought, &payload), TokenError::Signature);
    let elsewhere = r#"{"alg":"RS256","kid":"ours","jku":"https://evil.example/","x5u":"https://evil.example/"}"#;
    refused("a key from elsewhere", &THEIRS.sign(elsewhere, &payload), TokenError::Signature);
    for kid in ["", "other", "OURS", "ours ", "../../../../dev/null", "/proc/self/environ", "ours\0", "' OR 1=1 --"] {
        let header = json!({ "alg": "RS256", "kid": kid }).to_string();
        refused(kid, &OURS.sign(&header, &payload), TokenError::UnknownKey);
    }
    refused("no kid", &OURS.sign(r#"{"alg":"RS256"}"#, &payload), TokenError::Malformed);
    refused("two kids", &OURS.sign(r#"{"alg":"RS256","kid":"other","kid":"ours"}"#, &payload), TokenError::Malformed);
    refused("two algs", &OURS.sign(r#"{"alg":"none","alg":"RS256","kid":"ours"}"#, &payload), TokenError::Malformed);
    let critical = r#"{"alg":"RS256","kid":"ours","crit":["b64"],"b64":false}"#;
    refused("an extension", &OURS.sign(critical, &payload), TokenError::Malformed);
}

#[test]
fn every_claim_is_there_once_and_says_what_it_must() {
    for name in ["iss", "aud", "sub", "sid", "tid", "jti", "iat", "exp", "scope"] {
        let mut claims = payload();
        claims.as_object_mut().expect("an object").remove(name);
        refused(name, &OURS.sign(HEADER, &claims.to_string()), TokenError::Malformed);
        for odd in [json!(null), json!([]), json!({}), json!(1.5), json!(true), json!([payload()[name]])] {
            let mut claims = payload();
            claims[name] = odd;
            refused(name, &OURS.sign(HEADER, &claims.to_string()), TokenError::Malformed);
        }
        // Readers differ in which of two they take: we take none.
        let twice = format!(r#"{{"{name}":{},{}"#, payload()[name], &payload().to_string()[1..]);
        refused(name, &OURS.sign(HEADER, &twice), TokenError::Malformed);
    }
    let said = |name: &str, value: Value, why: TokenError| {
        let mut claims = payload();
        claims[name] = value.clone();
        refused(&format!("{name} {value}"), &OURS.sign(HEADER, &claims.to_string()), why);
    };
    for iss in ["", "Podling", "podling ", "https://podling"] {
        said("iss", json!(iss), TokenError::NotForUs);
    }
    for aud in ["", "WS", "grant", "resume", "api"] {
        said("aud", json!(aud), TokenError::NotForUs);
    }
    said("sid", json!(Uid::new()), TokenError::OtherSession);
    said("sid", json!("../x"), TokenError::Malformed);
    said("jti", json!("00000000-0000-0000-0000-000000000000"), TokenError::Malformed);
    said("scope", json!("terminal:admin"), TokenError::Malformed);
    said("iat", json!(NOW + 2), TokenError::Expired);
    said("iat", json!(i64::MAX), TokenError::Expired);
    said("exp", json!(NOW), TokenError::Expired);
    said("exp", json!(-1), TokenError::Expired);
    said("exp", json!(i64::MIN), TokenError::Expired);
    said("exp", json!("1300"), TokenError::Malformed);
    said("exp", json!(u64::MAX), TokenError::Malformed);
}

#[test]
fn a_huge_or_odd_token_is_refused_unread() {
    let mut claims = payload();
    claims["sub"] = json!("x".repeat(3_500));
    let huge = OURS.sign(HEADER, &claims.to_string());
    assert!(huge.len() > MAX_TOKEN_BYTES);
    refused("huge", &huge, TokenError::Malformed);
    let good = OURS.sign(HEADER, &payload().to_string());
    let (head, rest) = good.split_once('.').expect("parts");
    for (what, odd) in [
        ("nothing", String::new()),
        ("dots", "....".to_owned()),
        ("five parts, as of an encrypted one", format!("{head}.{rest}.x.y")),
        ("padding", format!("{good}=")),
        ("white space", format!(" {good}")),
        ("a line feed", format!("{good}\n")),
        ("a NUL", format!("{good}\0")),
        ("deep JSON", format!("{}.{rest}", URL_SAFE_NO_PAD.encode("[".repeat(2_000)))),
    ] {
        assert!(verified(&odd).is_err(), "{what}");
    }
}

fn capabilities() -> (SessionKey, Grant, Resume) {
    let (session, viewer, nonce, scope) = (*SESSION, ViewerId::new(), AttachNonce::random(), Scope::ReadWrite);
    let grant =
        Grant { session, viewer, nonce, generation: 1, issued_at: Timestamp::UNIX_EPOCH, scope, who: Who::default() };
    (SessionKey::random(), grant, Resume { session, viewer, nonce, generation: 1, scope, who: Who::default() })
}

#[test]
fn no_kind_of_capability_is_taken_for_another() {
    let (key, grant, resume) = capabilities();
    let (granted, resumed) = (key.grant_key().sign(&grant), key.resume_key().sign(&resume));
    let token = OURS.sign(HEADER, &payload().to_string());
    for capability in [&granted, &resumed] {
        assert!(verified(capability).is_err(), "{capability} as a session token");
        // Nor with a part more, which makes three of it.
        assert!(verified(&format!("{}.{capability}", token.split_once('.').expect("parts").0)).is_err());
    }
    assert!(key.grant_key().verify(&token).is_err() && key.resume_key().verify(&token).is_err());
    assert!(key.grant_key().verify(&resumed).is_err() && key.resume_key().verify(&granted).is_err());
    // By a key that is right, but for another kind: what is inside tells.
    let claims = token.split('.').nth(1).expect("claims");
    assert!(key.grant_key().verify(claims).is_err() && claimed_session(&token).is_err());
    let first = key.resume_key().sign(&Resume { generation: 0, ..resume });
    assert!(key.resume_key().verify(&first).is_err(), "generation 0 stands for a session token");
}

proptest! {
    #[test]
    fn any_text_is_refused(text in ".{0,300}") {
        prop_assert!(verified(&text).is_err());
        let (key, ..) = capabilities();
        prop_assert!(key.grant_key().verify(&text).is_err() && key.resume_key().verify(&text).is_err());
    }

    #[test]
    fn any_three_parts_are_refused(head in ".{0,80}", body in ".{0,200}", tag in prop::collection::vec(any::<u8>(), 0..300)) {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = format!(r#"{{"alg":"RS256","kid":"ours",{head}}}"#);
        for head in [head.as_bytes(), HEADER.as_bytes(), header.as_bytes()] {
            let body = part(body.as_bytes());
            let token = format!("{}.{body}.{}", part(head), part(&tag));
            prop_assert!(verified(&token).is_err());
        }
    }

    #[test]
    fn a_token_that_differs_in_any_character_is_refused(place in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=-]") {
        let good = OURS.sign(HEADER, &payload().to_string());
        let place = place.index(good.len());
        let mut changed = good.clone();
        changed.replace_range(place..=place, &other);
        prop_assert_eq!(verified(&changed).is_ok(), changed == good);
    }

    /// Whatever a key of ours has signed: exactly what keeps the rules is accepted.
    #[test]
    fn exactly_what_keeps_the_rules_is_accepted(
        iss in prop::sample::select(vec!["podling", "podling", "other"]),
        aud in prop::sample::select(vec![AUDIENCE, AUDIENCE, "grant"]),
        ours in any::<bool>(), iat in NOW - 100..NOW + 100, exp in NOW - 100..NOW + 300, slack in 0_u64..60,
    ) {
        let sid = if ours { *SESSION } else { Uid::new() };
        let claims = json!({
            "iss": iss, "aud": aud, "sub": "owner", "sid": sid, "tid": "local:user:owner", "jti": TokenId::new(),
            "iat": iat, "exp": exp, "scope": "terminal:ro",
        });
        let token = OURS.sign(HEADER, &claims.to_string());
        let now = Timestamp::from_second(NOW).expect("a small second");
        let expected = Expected { issuer: "podling", session: *SESSION, now, slack: Duration::from_secs(slack) };
        let accepted = verify(&token, &JwkSet { keys: vec![OURS.jwk.clone()] }, &expected).is_ok();
        let slack = i64::try_from(slack).expect("small");
        let lives = exp + slack > NOW && iat <= NOW + slack + 1;
        prop_assert_eq!(accepted, iss == "podling" && aud == AUDIENCE && ours && lives);
    }
}
