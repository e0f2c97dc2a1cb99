//! The id of a request: kept when the caller sent a sound one, else made; on every answer, in every problem and in every
//! log line of the request.

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tracing::{Instrument, info_span};
use uuid::Uuid;

use super::refusal::Refusal;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are replaced: they stand in every log line.
const MAX_ID_BYTES: usize = 128;

pub(super) async fn request(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    // The path alone: queries may hold what is not for logs.
    let span = info_span!("request", request.id = %id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = name(response, refusal, &id);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, HeaderValue::try_from(id).expect("an id is visible ASCII"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The same answer with the request's id in its body.
fn name(response: Response, refusal: Refusal, id: &str) -> Response {
    let mut problem = refusal.problem();
    problem.request_id = Some(id.to_owned());
    let body = Body::new(problem.response().into_body());
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH); // Of the body without the id.
    Response::from_parts(parts, body)
}

fn request_id(headers: &HeaderMap) -> String {
    let sound = |id: &&str| {
        (1..=MAX_ID_BYTES).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let sent = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sound);
    sent.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_id_is_kept_and_another_replaced() {
        let check = |sent: &str, kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, sent.parse().expect("a value"));
            assert_eq!(request_id(&headers) == sent, kept, "{sent:?}");
        };
        check("a-1_B.2", true);
        check(&"x".repeat(128), true);
        for unsound in ["", "a b", "a\"b", "ä", &"x".repeat(129)] {
            check(unsound, false);
        }
        assert_eq!(request_id(&HeaderMap::new()).len(), 36);
    }
}
