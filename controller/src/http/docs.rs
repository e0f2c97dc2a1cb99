//! `/docs`: the description of the API as pages to read and try. Nothing of it comes from elsewhere.

use axum::{Router, extract::Request, middleware, middleware::Next, response::Response};
use http::{HeaderValue, header};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The pages load their own files and call this API. Their library sets styles inline and draws its signs as `data:`.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // Its default validator is somebody else's server.
    let config = Config::new(["/api/openapi.json"]).validator_url("none").deep_linking(true);
    Router::from(SwaggerUi::new("/docs").config(config)).layer(middleware::from_fn(guarded))
}

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
