//! What comes in place of a session token: any text, and a sound header and sound claims with any of them changed, under a
//! signature that is right.

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
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use podling_session::{
    capability::{SessionKey, claimed_session},
    id::Uid,
    token::{AUDIENCE, Claims, Expected, TokenError, verify},
};
use serde_json::Value;

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

/// Name and JSON of what is sound.
const HEADER: [(&str, &str); 3] = [("typ", r#""JWT""#), ("alg", r#""RS256""#), ("kid", r#""ours""#)];
const CLAIMS: [(&str, &str); 9] = [
    ("iss", r#""podling""#),
    ("aud", r#""ws""#),
    ("sub", r#""owner""#),
    ("sid", r#""01a201d8-09ac-75e2-9d27-26f85e7197dc""#),
    ("tid", r#""local:user:owner""#),
    ("jti", r#""01a201d8-0961-72ca-a968-e1abce42cf12""#),
    ("iat", "1100"),
    ("exp", "1200"),
    ("scope", r#""terminal:rw""#),
];

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Signed { header: Vec<Edit<'a>>, claims: Vec<Edit<'a>> },
}

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Drop(u8),
    Set(u8, Json<'a>),
    /// Under a name of its own, or one that is there already.
    Add(Name<'a>, Json<'a>),
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Known(u8),
    Crit,
    Any(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Json<'a> {
    Null,
    True,
    List,
    Near(i8),
    Number(i64),
    Other(u8),
    Text(&'a str),
    Raw(&'a str),
}

impl Json<'_> {
    fn text(&self) -> String {
        match self {
            Json::Null => "null".to_owned(),
            Json::True => "true".to_owned(),
            Json::List => r#"["ws","podling"]"#.to_owned(),
            Json::Near(offset) => (NOW + i64::from(*offset)).to_string(),
            Json::Number(number) => number.to_string(),
            Json::Other(index) => {
                let others = ["none", "HS256", "rs256", "RS384", "ours ", "grant", "Podling", "ws ", "terminal:ro", ""];
                Value::from(others[usize::from(*index) % others.len()]).to_string()
            }
            Json::Text(text) => Value::from(*text).to_string(),
            Json::Raw(text) => (*text).to_owned(),
        }
    }
}

/// The members with these changes, as the text of an object.
fn object(members: &[(&str, &str)], edits: &[Edit<'_>]) -> String {
    let mut all: Vec<_> = members.iter().map(|(name, json)| ((*name).to_owned(), (*json).to_owned())).collect();
    for edit in edits {
        let at = |index: u8, len: usize| usize::from(index).checked_rem(len);
        match edit {
            Edit::Drop(index) => _ = at(*index, all.len()).map(|index| all.remove(index)),
            Edit::Set(index, json) => _ = at(*index, all.len()).map(|index| all[index].1 = json.text()),
            Edit::Add(name, json) => {
                let name = match name {
                    Name::Known(index) => members[usize::from(*index) % members.len()].0,
                    Name::Crit => "crit",
                    Name::Any(name) => name,
                };
                all.push((name.to_owned(), json.text()));
            }
        }
    }
    let members: Vec<_> = all.iter().map(|(name, json)| format!("{}:{json}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", members.join(","))
}

fn verified(token: &str) -> Result<Claims, TokenError> {
    let now = Timestamp::from_second(NOW).expect("a small second");
    let session: Uid = SESSION.parse().expect("a uid");
    verify(token, &KEYS, &Expected { issuer: "podling", session, now, slack: SLACK })
}

/// Any header and any payload, with a signature that is right.
fn signed(header: &str, payload: &str) -> String {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature).expect("a signature");
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Text(text) => {
            assert!(verified(text).is_err(), "nobody has signed this");
            assert!(SECRET.grant_key().verify(text).is_err() && SECRET.resume_key().verify(text).is_err());
            let _ = claimed_session(text);
        }
        Input::Signed { header, claims } => accepted(&object(&HEADER, &header), &object(&CLAIMS, &claims)),
    }
});

/// Whatever is accepted keeps every rule.
fn accepted(header: &str, claims: &str) {
    let Ok(claims) = verified(&signed(header, claims)) else { return };
    let header: Value = serde_json::from_str(header).expect("a header that was accepted is JSON");
    assert_eq!((&header["alg"], &header["kid"]), (&Value::from("RS256"), &Value::from("ours")));
    assert_eq!(header.get("crit").filter(|crit| !crit.is_null()), None);
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), ("podling", AUDIENCE));
    assert_eq!(claims.sid.to_string(), SESSION);
    let slack = i64::try_from(SLACK.as_secs()).expect("small");
    assert!(claims.exp.saturating_add(slack) > NOW && claims.iat <= NOW + slack + 1);
}
