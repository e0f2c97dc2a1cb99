//! The HTTP API as a script uses it that is told to come again: the same request with the same key, until it is answered.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How long one request may take; a server that has lost a dependency answers within a second.
const ANSWER: Duration = Duration::from_secs(5);
const BETWEEN: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    pub url: String,
    key: String,
}

/// A session as its creation answered.
#[derive(Clone, Debug)]
pub struct Created {
    pub uid: String,
    pub token: String,
    /// Requests that were not answered, or with a 503.
    pub put_off: usize,
}

impl Api {
    /// # Errors
    /// Never, but that a client cannot be built.
    pub fn new(url: String, key: String) -> anyhow::Result<Api> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        Ok(Api { http, url, key })
    }

    /// Creates a session, again and again under one idempotency key.
    ///
    /// # Errors
    /// When it is refused for good, or `within` is over.
    pub async fn create(&self, command: &str, idempotency_key: &str, within: Duration) -> anyhow::Result<Created> {
        let body = json!({ "command": command });
        let (answer, put_off) = self.ask("/api/sessions", &body, Some(idempotency_key), within).await?;
        Ok(Created { uid: field(&answer, "uid")?, token: field(&answer, "token")?, put_off })
    }

    /// A fresh token of a session.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub async fn token(&self, uid: &str, within: Duration) -> anyhow::Result<String> {
        let (answer, _) = self.ask(&format!("/api/sessions/{uid}/token"), &json!({}), None, within).await?;
        field(&answer, "token")
    }

    async fn ask(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
        within: Duration,
    ) -> anyhow::Result<(Value, usize)> {
        let deadline = Instant::now() + within;
        for put_off in 0.. {
            match self.send(Method::POST, path, Some(body), idempotency_key).await {
                Ok(response) if response.status().is_success() => return Ok((response.json().await?, put_off)),
                Ok(response) if !may_pass(&response) => bail!("{}: {}", response.status(), response.text().await?),
                outcome if Instant::now() >= deadline => {
                    bail!("{path} was not answered within {within:?}: {outcome:?}")
                }
                _ => sleep(BETWEEN).await,
            }
        }
        unreachable!("the deadline ends it")
    }

    /// One request, answered or not.
    ///
    /// # Errors
    /// When nobody answered.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        idempotency_key: Option<&str>,
    ) -> reqwest::Result<Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        request.send().await
    }

    /// How soon the API says that a dependency is down.
    ///
    /// # Errors
    /// When it says something else, or no `Retry-After`.
    pub async fn refusal(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let response = self.send(Method::GET, "/api/sessions", None, None).await.context("the API does not answer")?;
        ensure!(response.status() == StatusCode::SERVICE_UNAVAILABLE, "the API answers {}", response.status());
        ensure!(response.headers().contains_key(header::RETRY_AFTER), "the 503 has no Retry-After");
        Ok(began.elapsed())
    }
}

/// Whether the same request may be answered otherwise later.
fn may_pass(response: &Response) -> bool {
    response.status().is_server_error() || response.status() == StatusCode::TOO_MANY_REQUESTS
}

fn field(answer: &Value, name: &str) -> anyhow::Result<String> {
    Ok(answer[name].as_str().with_context(|| format!("{name} is missing in {answer}"))?.to_owned())
}
