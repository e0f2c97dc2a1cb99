//! What comes in place of a session token: any text, and any header and claims under a signature that is right.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, JwkSet},
};
use libfuzzer_sys::fuzz_target;
use podling_session::{
    capability::{SessionKey, claimed_session},
    id::Uid,
    token::{AUDIENCE, Claims, Expected, TokenError, verify},
};
use serde_json::Value;

/// The session of the seeds.
const SESSION: &str = "01a201d8-09ac-75e2-9d27-26f85e7197dc";
const NOW: i64 = 1_100;
const SLACK: Duration = Duration::from_secs(5);

static SECRET: LazyLock<SessionKey> = LazyLock::new(|| SessionKey::from_bytes([7; 32]));
static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&*PAIR).expect("a document");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a PEM");
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).expect("a public half");
    jwk.common.key_id = Some("ours".to_owned());
    JwkSet { keys: vec![jwk] }
});

fn verified(token: &str) -> Result<Claims, TokenError> {
    let now = Timestamp::from_second(NOW).expect("a small second");
    let session: Uid = SESSION.parse().expect("a uid");
    verify(token, &KEYS, &Expected { issuer: "podling", session, now, slack: SLACK })
}

/// Any header and any payload, with a signature that is right.
fn signed(header: &[u8], payload: &[u8]) -> String {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).expect("a signature");
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        assert!(verified(text).is_err(), "nobody has signed this");
        assert!(SECRET.grant_key().verify(text).is_err() && SECRET.resume_key().verify(text).is_err());
        let _ = claimed_session(text);
    }
    let (header, payload) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let Ok(claims) = verified(&signed(header, payload)) else { return };
    let header: Value = serde_json::from_slice(header).expect("a header that was accepted is JSON");
    assert_eq!((&header["alg"], &header["kid"]), (&Value::from("RS256"), &Value::from("ours")));
    assert_eq!(header.get("crit"), None);
    assert_eq!(
        (claims.iss.as_str(), claims.aud.as_str(), claims.sid.to_string().as_str()),
        ("podling", AUDIENCE, SESSION)
    );
    let slack = i64::try_from(SLACK.as_secs()).expect("small");
    assert!(claims.exp + slack > NOW && claims.iat <= NOW + slack + 1);
});
