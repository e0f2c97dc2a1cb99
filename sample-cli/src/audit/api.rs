//! The Messages API: one streamed request, asked again when the server is busy.

use std::{fmt::Write, time::Duration};

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::{Client, Response, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::args::AuditArgs;

use super::{
    AuditError, Outlet, Piece,
    event::{Block, Delta, Event, Failure, Fault, cut_short},
    sse::Events,
};

/// The version of the API that these events are of.
const VERSION: &str = "2023-06-01";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is asked in all.
const TRIES: u32 = 5;
/// A server that asks for more than this is given up.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// Of the body of an error.
const MAX_FAILURE_BYTES: usize = 64 << 10;
/// Of what a server says about an error.
const MAX_FAILURE_CHARS: usize = 300;

/// The header of the key, if there is one.
pub(super) fn key(args: &AuditArgs) -> Option<Result<SecretString, AuditError>> {
    let key = args.api_key.as_ref()?.expose_secret().trim();
    if key.is_empty() {
        return None;
    }
    let sound = key.bytes().all(|byte| byte.is_ascii_graphic());
    Some(if sound { Ok(key.into()) } else { Err(AuditError::Key) })
}

/// Asks until there is an answer, and hands it on as it comes.
pub(super) async fn ask(args: &AuditArgs, key: &SecretString, outlet: &Outlet) -> Result<(), AuditError> {
    let call = Call::new(args, key)?;
    for attempt in 1.. {
        let error = match call.attempt(outlet).await {
            Err(error) if error.passes() && attempt < TRIES => error,
            ended => return ended,
        };
        let Some(delay) = delay(&error, attempt) else { return Err(error) };
        let seconds = delay.as_secs_f64();
        outlet.put(Piece::Again(format!("{}; trying again in {seconds:.1} s", error.explained()))).await?;
        sleep(delay).await;
    }
    unreachable!("the last attempt returns")
}

/// How long to wait after this attempt: as the server says, else twice as long each time. None when that is too long.
fn delay(error: &AuditError, attempt: u32) -> Option<Duration> {
    let delay = match error {
        AuditError::Status { retry_after: Some(told), .. } => *told,
        _ => Duration::from_secs(1 << (attempt - 1)).mul_f64(rand::random_range(0.5..1.0)),
    };
    (delay <= MAX_DELAY).then_some(delay)
}

struct Call<'a> {
    args: &'a AuditArgs,
    key: &'a SecretString,
    client: Client,
    url: Url,
    headers: HeaderMap,
    host: String,
}

impl<'a> Call<'a> {
    fn new(args: &'a AuditArgs, key: &'a SecretString) -> Result<Call<'a>, AuditError> {
        let mut url = args.base_url.clone();
        url.set_path(&format!("{}/v1/messages", url.path().trim_end_matches('/')));
        let mut secret = HeaderValue::from_str(key.expose_secret()).map_err(|_| AuditError::Key)?;
        secret.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", secret);
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        // A redirect would carry the key elsewhere.
        let mut builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]); // The system's roots are neither read nor needed.
        }
        let client = builder.build().map_err(AuditError::Client)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Call { args, key, client, url, headers, host })
    }

    async fn attempt(&self, outlet: &Outlet) -> Result<(), AuditError> {
        let AuditArgs { model, max_tokens, prompt, .. } = self.args;
        let message = json!({ "role": "user", "content": prompt });
        let body = json!({ "model": model, "max_tokens": max_tokens, "stream": true, "messages": [message] });
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body.to_string());
        let mut response = self.in_time(request.send()).await?.map_err(|source| self.unsent(source))?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let mut events = Events::default();
        while let Some(bytes) = self.in_time(response.chunk()).await?.map_err(|source| self.broken(source))? {
            events.push(&bytes)?;
            while let Some(data) = events.next() {
                if self.hear(&data, outlet).await? {
                    return Ok(());
                }
            }
        }
        Err(AuditError::CutOff { host: self.host.clone() })
    }

    /// Whether this was the last event.
    async fn hear(&self, data: &str, outlet: &Outlet) -> Result<bool, AuditError> {
        let event =
            serde_json::from_str(data).map_err(|source| AuditError::Malformed { host: self.host.clone(), source })?;
        match event {
            Event::ContentBlockStart { content_block: Block::Text { text } }
            | Event::ContentBlockDelta { delta: Delta::TextDelta { text } } => outlet.text(text).await?,
            Event::ContentBlockStop {} => outlet.put(Piece::LineEnd).await?,
            Event::MessageDelta { delta } => {
                if let Some(why) = cut_short(&delta) {
                    outlet.note(why).await?;
                }
            }
            Event::MessageStop {} => return Ok(true),
            Event::Error { error: Fault { kind, message } } => {
                return Err(AuditError::Event { host: self.host.clone(), kind, said: self.fit(&message) });
            }
            _ => {}
        }
        Ok(false)
    }

    async fn in_time<T>(&self, future: impl Future<Output = T>) -> Result<T, AuditError> {
        let silence = self.args.silence;
        timeout(silence, future).await.map_err(|_| AuditError::Silence { who: self.host.clone(), silence })
    }

    fn unsent(&self, source: reqwest::Error) -> AuditError {
        AuditError::Connect { host: self.host.clone(), source: source.without_url() }
    }

    fn broken(&self, source: reqwest::Error) -> AuditError {
        AuditError::Broken { host: self.host.clone(), source: source.without_url() }
    }

    /// An answer that is none, with what the server says about it where it does.
    async fn refusal(&self, mut response: Response) -> AuditError {
        let (host, status) = (self.host.clone(), response.status());
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Ok(Ok(Some(bytes))) = self.in_time(response.chunk()).await {
            body.extend(bytes);
            if body.len() > MAX_FAILURE_BYTES {
                break;
            }
        }
        let said = match serde_json::from_slice(&body) {
            Ok(Failure { error: Fault { kind, message } }) => self.fit(&format!("{message} ({kind})")),
            Err(_) => String::new(),
        };
        AuditError::Status { host, status, said, retry_after }
    }

    /// A server's words, short, and without the key that some repeat.
    fn fit(&self, said: &str) -> String {
        let said = said.replace(self.key.expose_secret(), "***");
        let mut fit: String = said.chars().take(MAX_FAILURE_CHARS).collect();
        if fit.len() < said.len() {
            let _ = write!(fit, "…"); // A String takes everything.
        }
        fit
    }
}

/// Whole seconds (RFC 9110, 10.2.3); dates are not waited for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn busy(retry_after: Option<Duration>) -> AuditError {
        AuditError::Status { host: "x".into(), status: StatusCode::TOO_MANY_REQUESTS, said: String::new(), retry_after }
    }

    #[test]
    fn the_server_says_when_to_come_again_and_is_given_up_when_that_is_late() {
        let told = |seconds| delay(&busy(Some(Duration::from_secs(seconds))), 1).map(|delay| delay.as_secs());
        assert_eq!([told(0), told(7), told(60), told(61)], [Some(0), Some(7), Some(60), None]);
        for attempt in 1..TRIES {
            let delay = delay(&busy(None), attempt).expect("short").as_secs_f64();
            let most = f64::from(1 << (attempt - 1));
            assert!((most / 2.0..most).contains(&delay), "{delay} after {attempt}");
        }
    }
}
