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
    client_address::client_address,
    http::Peer,
    request::{Context, REQUEST_ID},
};
use podling_session::audit::{Action, Entry};
use tracing::Instrument;

use super::refusal::Refusal;
use crate::audit::Audit;

/// `hops` proxies of the operator's own stand between us and clients.
pub(super) async fn request(State(hops): State<u8>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let address = peer.map(|Peer(peer)| client_address(request.headers(), peer.ip(), hops));
    let context = Context::read(request.headers(), address);
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

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn behind_proxies_the_address_is_what_the_trusted_ones_say() {
        let told =
            || async { Context::current().and_then(|context| context.address).expect("it is known").to_string() };
        for (hops, expected) in [(0, "10.0.0.1"), (1, "2.2.2.2"), (2, "1.1.1.1")] {
            let router =
                Router::new().route("/", get(told)).layer(middleware::from_fn_with_state(hops, super::request));
            let asked = http::Request::get("/").header("x-forwarded-for", "6.6.6.6, 1.1.1.1, 2.2.2.2");
            let asked = asked.extension(Peer(([10, 0, 0, 1], 4711).into())).body(Body::empty()).expect("a request");
            let response = router.oneshot(asked).await.expect("an answer");
            let body = response.into_body().collect().await.expect("a whole body").to_bytes();
            assert_eq!(body, expected, "{hops} hops");
        }
    }
}
