//! Which pages of other origins may call the API from a browser. An origin that may not gets an ordinary answer without
//! a word of CORS, and its browser keeps the answer from it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, last-event-id, tus-resumable, upload-length, upload-offset, x-api-key, x-request-id",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "idempotency-replayed, ratelimit, ratelimit-limit, ratelimit-policy, ratelimit-remaining, ratelimit-reset, retry-after, \
     tus-resumable, upload-length, upload-offset, x-log-end-offset, x-log-first-offset, x-request-id",
);
/// How long a browser may keep the answer to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins that an operator admits.
#[derive(Clone)]
pub(super) struct Origins(Arc<[String]>);

impl Origins {
    pub(super) fn new(origins: &[String]) -> Origins {
        Origins(origins.into())
    }

    /// What to allow: the origin itself, or everyone.
    fn admit(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.0.iter().any(|known| known == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.0.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

pub(super) async fn answer(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let admitted = request.headers().get(header::ORIGIN).and_then(|origin| origins.admit(origin));
    let preflight = is_preflight(&request);
    let mut response = if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = admitted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if preflight { allow(headers) } else { expose(headers) }
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn allow(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}

fn expose(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_admitted_by_its_whole_text() {
        let check = |origins: &[&str], origin: &'static str, expected: Option<&str>| {
            let origins = Origins::new(&origins.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>());
            let admitted = origins.admit(&HeaderValue::from_static(origin));
            assert_eq!(admitted.as_ref().and_then(|origin| origin.to_str().ok()), expected, "{origin}");
        };
        let ours = ["https://a.example", "http://b.example:3000"];
        check(&ours, "https://a.example", Some("https://a.example"));
        check(&ours, "http://b.example:3000", Some("http://b.example:3000"));
        for other in ["http://a.example", "https://a.example.evil", "https://a.example:443", "null", ""] {
            check(&ours, other, None);
        }
        check(&["*"], "https://any.example", Some("*"));
        check(&[], "https://a.example", None);
    }
}
