//! The public API of Podling, as the client calls it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::{Host, Url};

use super::error::{ClientError, Problem};

/// A machine that is there takes a connection sooner.
const CONNECT: Duration = Duration::from_secs(10);
/// No answer begins later; the server gives up sooner.
const ANSWER: Duration = Duration::from_secs(40);
/// How long what fails for a while is tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries, at least, and growing up to the second.
const PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(5);

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    server: Url,
    key: Option<SecretString>,
}

/// What the server has of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) complete: bool,
    pub(crate) offset: u64,
}

impl Api {
    pub(crate) fn new(server: Url, key: Option<SecretString>) -> Result<Api, ClientError> {
        if !matches!(server.scheme(), "http" | "https") {
            return Err(ClientError::here(format!("{server} is no address of http or https"), "Check --server."));
        }
        let http = client(&server).build().map_err(|error| unreachable(&server, error))?;
        Ok(Api { http, server, key })
    }

    /// Without a slash at its end.
    pub(crate) fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    /// A request that carries the key.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.server()));
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// The head of an answer, when it is a good one.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = self.try_send(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(ClientError::Refused(problem(response).await))
    }

    /// An answer whatever it says: an upgrade is none of the good ones.
    pub(super) async fn send_upgrade(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        self.try_send(request).await
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> ClientError {
        unreachable(&self.server, error)
    }

    async fn try_send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        let Ok(answer) = answer else {
            let problem = Problem::read(StatusCode::GATEWAY_TIMEOUT, &Value::Null);
            return Err(ClientError::Refused(problem));
        };
        answer.map_err(|error| self.unreachable(error))
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, ClientError> {
        let response = self.send(request).await?;
        let foreign = |what: String| ClientError::NotPodling { server: self.server.to_string(), what };
        response.json().await.map_err(|error| foreign(error.without_url().to_string()))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.request(Method::DELETE, path)).await
    }

    /// Creates a session, once, however often it has to be asked for.
    pub(crate) async fn create(&self, body: &Value) -> Result<Value, ClientError> {
        let once = uuid::Uuid::new_v4().to_string();
        let ask = || self.json(self.request(Method::POST, "/api/sessions").header("idempotency-key", &once).json(body));
        patiently(ask).await
    }

    /// What there is of a bundle; refused when it is too large.
    pub(crate) async fn announce(&self, sum: &str, bytes: u64) -> Result<Announced, ClientError> {
        patiently(|| self.look_for(sum, bytes)).await
    }

    /// The same, once.
    pub(crate) async fn look_for(&self, sum: &str, bytes: u64) -> Result<Announced, ClientError> {
        let body = serde_json::json!({ "sha256": sum, "bytes": bytes });
        let answer = self.post("/api/bundles", &body).await?;
        Ok(Announced {
            complete: answer["complete"].as_bool().unwrap_or_default(),
            offset: answer["offset"].as_u64().unwrap_or_default(),
        })
    }

    /// Where the upload goes on after this piece of it.
    pub(crate) async fn upload(&self, sum: &str, offset: u64, length: u64, piece: Bytes) -> Result<u64, ClientError> {
        let request = self.request(Method::PATCH, &format!("/api/bundles/{sum}"));
        let request = request.header(header::CONTENT_TYPE, "application/offset+octet-stream").body(piece);
        let request = request.header(UPLOAD_OFFSET, offset).header("upload-length", length);
        let response = self.try_send(request).await?;
        let stands = stands_at(response.headers());
        match (response.status(), stands) {
            (status, Some(offset)) if status.is_success() => Ok(offset),
            // It is further, or less far, than we know.
            (StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT, Some(offset)) => Ok(offset),
            _ => Err(ClientError::Refused(problem(response).await)),
        }
    }

    /// A socket to the server, made by an upgrade.
    pub(super) fn upgrading(&self) -> Result<Client, ClientError> {
        client(&self.server).http1_only().build().map_err(|error| unreachable(&self.server, error))
    }
}

fn client(server: &Url) -> ClientBuilder {
    let builder = Client::builder().connect_timeout(CONNECT).user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")));
    let local = match server.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    // No proxy knows this machine better than it does.
    if local { builder.no_proxy() } else { builder }
}

fn unreachable(server: &Url, error: reqwest::Error) -> ClientError {
    ClientError::Unreachable { server: server.to_string(), source: error.without_url() }
}

pub(super) async fn problem(response: Response) -> Problem {
    let status = response.status();
    // Another server's page is no problem+json; its status says enough.
    let body = tokio::time::timeout(ANSWER, response.bytes()).await.ok().and_then(Result::ok).unwrap_or_default();
    Problem::read(status, &serde_json::from_slice(&body).unwrap_or_default())
}

fn stands_at(headers: &HeaderMap) -> Option<u64> {
    headers.get(UPLOAD_OFFSET)?.to_str().ok()?.parse().ok()
}

/// Tries again what fails for a while.
pub(super) async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut pauses = Pauses::default();
    loop {
        match ask().await {
            Err(error) if error.is_passing() && !is_refused_at_once(&error, &pauses) => pauses.wait(error).await?,
            outcome => return outcome,
        }
    }
}

/// Nobody listens, and nobody did since we began: that will not pass by itself.
fn is_refused_at_once(error: &ClientError, pauses: &Pauses) -> bool {
    pauses.is_new() && matches!(error, ClientError::Unreachable { source, .. } if source.is_connect())
}

/// Between tries: longer each time, and not for ever.
pub(super) struct Pauses {
    began: Option<Instant>,
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses { began: None, next: PAUSE }
    }
}

impl Pauses {
    fn is_new(&self) -> bool {
        self.began.is_none()
    }

    /// # Errors
    /// With the cause, when it has lasted too long.
    pub(super) async fn wait(&mut self, cause: ClientError) -> Result<(), ClientError> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if began.elapsed() >= PATIENCE {
            return Err(cause);
        }
        let asked = match &cause {
            ClientError::Refused(problem) => problem.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        sleep(self.next.max(asked).min(MAX_PAUSE)).await;
        self.next = (self.next * 2).min(MAX_PAUSE);
        Ok(())
    }
}
