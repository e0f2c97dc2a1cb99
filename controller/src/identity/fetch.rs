//! Documents of an issuer, over HTTP: small, soon, and from where they were asked for.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, redirect::Policy};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::{Host, Url};

/// From the connect to the last byte.
const WHOLE: Duration = Duration::from_secs(5);
/// The key sets of the largest issuers have some kilobytes.
const MAX_BYTES: usize = 256 * 1024;
/// For how long a document is taken for fresh, whatever its server says, and where it says nothing.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
const UNSAID: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it was not answered")]
    Http(#[from] reqwest::Error),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("the answer took more than {WHOLE:?}")]
    Slow,
    #[error("the answer is not what it must be")]
    Shape(#[from] serde_json::Error),
    #[error("the document is of another issuer")]
    OtherIssuer,
    #[error("its key set is at a place that is not trusted: it must be https, or a loopback address")]
    Untrusted,
    #[error("no key in it can be used")]
    NoKeys,
}

/// Whether nobody between us and there can change what is said.
pub(super) fn is_trusted(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A client for one issuer at `url`. No proxy stands between processes of one machine.
pub(super) fn client(url: &Url) -> Result<Client, reqwest::Error> {
    let builder = Client::builder().redirect(Policy::none()).timeout(WHOLE);
    let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
    builder.build()
}

/// A document, and how long it is fresh.
pub(super) async fn document<T: DeserializeOwned>(client: &Client, url: &Url) -> Result<(T, Duration), FetchError> {
    timeout(WHOLE, read(client, url)).await.map_err(|_| FetchError::Slow)?
}

async fn read<T: DeserializeOwned>(client: &Client, url: &Url) -> Result<(T, Duration), FetchError> {
    let mut response = client.get(url.clone()).header(header::ACCEPT, "application/json").send().await?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let life = life(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((serde_json::from_slice(&body)?, life))
}

/// `max-age` of Cache-Control (RFC 9111, section 5.2.2.1), within bounds.
fn life(headers: &HeaderMap) -> Duration {
    let said = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = said.flat_map(|text| text.split(',')).map(str::trim).collect();
    let age = directives.iter().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    });
    let uncached = |directive: &&str| ["no-store", "no-cache"].iter().any(|no| directive.eq_ignore_ascii_case(no));
    match age {
        _ if directives.iter().any(uncached) => SHORTEST,
        Some(seconds) => Duration::from_secs(seconds).clamp(SHORTEST, LONGEST),
        None => UNSAID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_fresh_for_as_long_as_its_server_says_within_a_minute_and_a_day() {
        let check = |value: Option<&'static str>, seconds: u64| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::CACHE_CONTROL, value.parse().expect("a value"));
            }
            assert_eq!(life(&headers).as_secs(), seconds, "{value:?}");
        };
        check(Some("public, max-age=19302, must-revalidate, no-transform"), 19_302);
        check(Some("Max-Age=\"600\""), 600);
        check(Some("max-age=0"), 60);
        check(Some("max-age=99999999"), 86_400);
        check(Some("no-store, max-age=600"), 60);
        check(Some("max-age=soon"), 300);
        check(None, 300);
    }

    #[test]
    fn only_https_and_loopback_are_trusted() {
        for good in ["https://a.example/keys", "http://127.0.0.1:1/keys", "http://[::1]/", "http://localhost:9099/"] {
            assert!(is_trusted(&good.parse().expect(good)), "{good}");
        }
        for bad in ["http://a.example/", "http://10.0.0.1/", "file:///etc/keys", "http://localhost.evil.example/"] {
            assert!(!is_trusted(&bad.parse().expect(bad)), "{bad}");
        }
    }
}
