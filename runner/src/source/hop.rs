//! One answer to one question: redirects by hand, each checked like the first URL.

use http::{HeaderValue, StatusCode, header};
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use url::Url;

use super::{SourceError, download::Errand, reach};

/// GitHub's archives take one or two.
const MAX_REDIRECTS: usize = 5;

/// The first answer that is not a redirect.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Who gave it.
    pub(super) host: String,
}

/// From where on an archive is wanted, and of which one.
pub(super) struct Rest {
    pub(super) from: u64,
    /// A strong entity tag: it is the same bytes or another answer (RFC 9110, 13.1.5).
    pub(super) tag: HeaderValue,
}

/// Asks for a URL, for all of it or for the rest. The answer's status is 200, or 206 for a rest.
pub(super) async fn ask(first: &Url, errand: &Errand<'_>, rest: Option<&Rest>) -> Result<Answer, SourceError> {
    let mut url = first.clone();
    for _ in 0..=MAX_REDIRECTS {
        let target = reach::resolve(&url, errand.hosts, errand.request.limits.connect).await?;
        let request = client(&url, &target, errand)?.get(url.clone());
        let response = wanted(request, rest).send().await.map_err(|error| transfer(&target.host, error))?;
        match response.status() {
            StatusCode::OK => return Ok(Answer { response, host: target.host }),
            StatusCode::PARTIAL_CONTENT if rest.is_some() => return Ok(Answer { response, host: target.host }),
            status if is_redirect(status) => url = reach::next_hop(&url, response.headers().get(header::LOCATION))?,
            status => return Err(SourceError::Status { host: target.host, status }),
        }
    }
    Err(SourceError::Redirect("there are more than 5 redirects"))
}

fn wanted(request: RequestBuilder, rest: Option<&Rest>) -> RequestBuilder {
    let request = request.header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match rest {
        None => request,
        Some(Rest { from, tag }) => {
            request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, tag.clone())
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A client for one hop: it knows the checked addresses and no proxy, follows nothing, and decodes nothing.
fn client(url: &Url, target: &reach::Target, errand: &Errand<'_>) -> Result<Client, SourceError> {
    let limits = &errand.request.limits;
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .resolve_to_addrs(&target.host, &target.addresses)
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle)
        .user_agent(concat!("podling/", env!("CARGO_PKG_VERSION")));
    builder = match url.scheme() {
        "http" => builder.tls_certs_only([]), // The system's roots are neither read nor needed.
        _ => builder.tls_certs_merge(errand.request.settings.authorities.iter().cloned()),
    };
    builder.build().map_err(SourceError::Client)
}

/// The URL is left out: the owner knows it, and a redirect's may hold a signature.
pub(super) fn transfer(host: &str, error: reqwest::Error) -> SourceError {
    let host = host.to_owned();
    if error.is_timeout() && !error.is_connect() {
        return SourceError::Stalled { host };
    }
    SourceError::Transfer { host, source: error.without_url() }
}
