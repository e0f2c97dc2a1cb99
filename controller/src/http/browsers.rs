//! What every answer tells browsers: to take it for what it says it is and, behind TLS, to come by TLS alone.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderValue, header};

/// A year, of this host alone: what other names of its domain serve is not ours to say.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether browsers reach us by TLS, as the public address has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure(pub(super) bool);

pub(super) async fn tell(State(Secure(secure)): State<Secure>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response
}
