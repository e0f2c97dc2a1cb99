//! A Cloud KMS on loopback that takes nothing but what its reference describes, and the metadata server that gives out the
//! access token for it. What it takes amiss is an error of the caller's test.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey,
    pkcs8::{EncodePublicKey, LineEnding},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{KeyName, crc32c::crc32c};

pub(super) const KEY: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/tokens";
const TOKEN: &str = "the-access-token";
const METADATA: &str = "/computeMetadata/v1/";

struct Kept {
    key: RsaPrivateKey,
    state: &'static str,
    made_at: Timestamp,
    /// How often it is asked for before it is there.
    pending: u32,
}

#[derive(Default)]
pub(super) struct Versions {
    kept: BTreeMap<usize, Kept>,
    /// What the next answer's checksum is changed by.
    pub(super) damage: u32,
    pub(super) down: bool,
    pub(super) calls: usize,
}

pub(super) struct Fake {
    pub(super) url: String,
    pub(super) versions: Arc<Mutex<Versions>>,
    _server: JoinSet<()>,
}

impl Fake {
    /// With one version, made an hour ago.
    pub(super) async fn start() -> Fake {
        let versions: Arc<Mutex<Versions>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(versions.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        let fake = Fake { url, versions, _server: server };
        fake.add(Timestamp::now() - Duration::from_secs(3_600), 0);
        fake
    }

    pub(super) fn name() -> KeyName {
        KEY.parse().expect("a name")
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Versions> {
        self.versions.lock().expect("no holder panics")
    }

    fn add(&self, made_at: Timestamp, pending: u32) {
        self.lock().add(made_at, pending);
    }

    pub(super) fn disable(&self, number: usize) {
        self.lock().kept.get_mut(&number).expect("it is there").state = "DISABLED";
    }
}

impl Versions {
    fn add(&mut self, made_at: Timestamp, pending: u32) -> usize {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).expect("a key");
        let number = self.kept.len() + 1;
        self.kept.insert(number, Kept { key, state: "ENABLED", made_at, pending });
        number
    }

    fn describe(&mut self, number: usize) -> Value {
        let kept = self.kept.get_mut(&number).expect("the caller has looked");
        let name = format!("{KEY}/cryptoKeyVersions/{number}");
        if kept.pending > 0 {
            kept.pending -= 1;
            return json!({ "name": name, "state": "PENDING_GENERATION", "createTime": kept.made_at });
        }
        let times = (kept.made_at, kept.state);
        json!({
            "name": name, "state": times.1, "createTime": times.0, "generateTime": times.0,
            "protectionLevel": "SOFTWARE", "algorithm": "RSA_SIGN_PKCS1_2048_SHA256",
        })
    }

    fn checksum(&self, bytes: &[u8]) -> String {
        crc32c(bytes).wrapping_add(self.damage).to_string()
    }

    fn public_key(&self, number: usize) -> Value {
        let key = self.kept[&number].key.to_public_key();
        let pem = key.to_public_key_pem(LineEnding::LF).expect("a PEM");
        let name = format!("{KEY}/cryptoKeyVersions/{number}");
        json!({
            "name": name, "algorithm": "RSA_SIGN_PKCS1_2048_SHA256", "pemCrc32c": self.checksum(pem.as_bytes()),
            "pem": pem, "protectionLevel": "SOFTWARE",
        })
    }

    fn sign(&self, number: usize, body: &Value) -> Result<Value, String> {
        let digest = body["digest"]["sha256"].as_str().and_then(|text| BASE64_STANDARD.decode(text).ok());
        let digest = digest.filter(|digest| digest.len() == 32).ok_or("digest.sha256 must be 32 bytes")?;
        let expected = json!({
            "digest": { "sha256": BASE64_STANDARD.encode(&digest) }, "digestCrc32c": crc32c(&digest).to_string(),
        });
        if *body != expected {
            return Err(format!("{body} is not {expected}"));
        }
        let kept = self.kept.get(&number).filter(|kept| kept.state == "ENABLED" && kept.pending == 0);
        let kept = kept.ok_or("the version is not enabled")?;
        let scheme = Pkcs1v15Sign::new::<rsa::sha2::Sha256>();
        let signature = kept.key.sign(scheme, &digest).map_err(|error| error.to_string())?;
        Ok(json!({
            "name": format!("{KEY}/cryptoKeyVersions/{number}"), "signature": BASE64_STANDARD.encode(&signature),
            "signatureCrc32c": self.checksum(&signature), "verifiedDigestCrc32c": true, "protectionLevel": "SOFTWARE",
        }))
    }

    /// The calls that there are, by method and path; none of any other.
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &Bytes) -> Result<Value, String> {
        let below = path.strip_prefix(&format!("/v1/{KEY}/cryptoKeyVersions")).ok_or("no such path")?;
        let json = || serde_json::from_slice::<Value>(body).map_err(|error| error.to_string());
        if below.is_empty() {
            return match *method {
                Method::GET => self.list(query),
                Method::POST if json()? == json!({}) => {
                    let number = self.add(Timestamp::now(), 2);
                    Ok(self.describe(number))
                }
                _ => Err(format!("{method} {path}")),
            };
        }
        let (number, verb) = below.trim_start_matches('/').split_at(1);
        let number: usize = number.parse().map_err(|_| "no such version")?;
        if !self.kept.contains_key(&number) || !query.is_empty() {
            return Err(format!("{path}?{query}"));
        }
        match (method, verb) {
            (&Method::GET, "") => Ok(self.describe(number)),
            (&Method::GET, "/publicKey") => Ok(self.public_key(number)),
            (&Method::POST, ":asymmetricSign") => self.sign(number, &json()?),
            _ => Err(format!("{method} {path}")),
        }
    }

    /// One version a page, the newest first, so that whoever does not turn pages or sort them is found out.
    fn list(&mut self, query: &str) -> Result<Value, String> {
        let asked: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
        if asked.get("pageSize").map(AsRef::as_ref) != Some("100") {
            return Err(format!("{query} names no size"));
        }
        let at = asked.get("pageToken").map_or(Ok(self.kept.len()), |token| token.parse::<usize>());
        let at = at.map_err(|error| error.to_string())?;
        let next = if at > 1 { (at - 1).to_string() } else { String::new() };
        Ok(json!({ "cryptoKeyVersions": [self.describe(at)], "nextPageToken": next, "totalSize": self.kept.len() }))
    }
}

fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    let body = json!({ "error": { "code": status.as_u16(), "message": message.into(), "status": "INVALID_ARGUMENT" } });
    (status, Json(body)).into_response()
}

async fn answer(State(versions): State<Arc<Mutex<Versions>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    if path.starts_with(METADATA) {
        return match header("metadata-flavor") {
            "Google" => {
                Json(json!({ "access_token": TOKEN, "expires_in": 3_600, "token_type": "Bearer" })).into_response()
            }
            _ => refuse(StatusCode::FORBIDDEN, "no Metadata-Flavor"),
        };
    }
    let mut versions = versions.lock().expect("no holder panics");
    versions.calls += 1;
    if versions.down {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "down");
    }
    if header("authorization") != format!("Bearer {TOKEN}") {
        return refuse(StatusCode::UNAUTHORIZED, "not the access token");
    }
    if parts.method == Method::POST && header("content-type") != "application/json" {
        return refuse(StatusCode::BAD_REQUEST, "not JSON");
    }
    match versions.answer(&parts.method, path, query, &body) {
        Ok(value) => Json(value).into_response(),
        Err(why) => refuse(StatusCode::BAD_REQUEST, why),
    }
}
