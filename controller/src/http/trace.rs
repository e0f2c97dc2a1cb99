//! A request's id and trace: on every answer the id, in every problem and in every log line of the request.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderValue, StatusCode, header};
use podling_daemon::{
    http::Peer,
    request::{Context, REQUEST_ID},
};
use podling_session::audit::{Action, Entry};
use tracing::Instrument;

use super::refusal::Refusal;
use crate::audit::Audit;

pub(super) async fn request(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip().to_canonical());
    let context = Context::read(request.headers(), peer);
    let span = context.span(request.method().as_str(), request.uri().path());
    let mut response = context.clone().scope(next.run(request)).instrument(span).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = name(response, refusal, &context.id);
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, context.id_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Tells the audit of refusals.
pub(super) async fn audit(State(audit): State<Arc<Audit>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Refusal>();
    if let Some(entry) = refusal.and_then(|refusal| refused(response.status(), refusal)) {
        audit.record(entry);
    }
    response
}

/// Refusals that an operator has to know of, by the kind of their problem.
fn refused(status: StatusCode, refusal: &Refusal) -> Option<Entry> {
    let action = match status {
        StatusCode::UNAUTHORIZED => Action::AuthRefuse,
        StatusCode::FORBIDDEN => Action::AccessRefuse,
        StatusCode::TOO_MANY_REQUESTS => Action::RateLimit,
        _ => return None,
    };
    Some(Entry::refused(action, refusal.kind().to_owned()))
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
