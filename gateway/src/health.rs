//! What machines ask a gateway that is a process of its own.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use podling_daemon::health::Serving;
use podling_session::id::{AttachNonce, TokenId};
use tokio::time::timeout;

use crate::Gateway;

/// A dependency that answers later than this is as good as down.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// What a probe claims is forgotten again so soon.
const CLAIM_LIFE: Duration = Duration::from_secs(1);

/// None when the path is not one of these.
pub(crate) async fn answer(gateway: &Gateway, serving: &Serving, path: &str) -> Option<Response<Full<Bytes>>> {
    match path {
        "/healthz" => Some(text(StatusCode::OK, "ok".to_owned())),
        "/servez" if serving.is_serving() => Some(text(StatusCode::OK, "serving".to_owned())),
        "/servez" => Some(text(StatusCode::SERVICE_UNAVAILABLE, "not serving".to_owned())),
        "/readyz" => Some(ready(gateway, serving).await),
        _ => None,
    }
}

/// The truth about each dependency.
async fn ready(gateway: &Gateway, serving: &Serving) -> Response<Full<Bytes>> {
    let (controller, guard) = tokio::join!(controller_answers(gateway), guard_answers(gateway));
    let checks = [("controller", controller), ("replay guard", guard), ("serving", serving.is_serving())];
    if checks.iter().all(|(_, up)| *up) {
        return text(StatusCode::OK, "ready".to_owned());
    }
    let told = |(name, up): &(&str, bool)| format!("{name}: {}\n", if *up { "up" } else { "down" });
    text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}", checks.iter().map(told).collect::<String>()))
}

async fn controller_answers(gateway: &Gateway) -> bool {
    matches!(timeout(PROBE_TIME, gateway.0.controller.keys()).await, Ok(Ok(_)))
}

/// Whether it decides at all: nobody has the token that is claimed.
async fn guard_answers(gateway: &Gateway) -> bool {
    let claim = gateway.0.config.guard.claim(TokenId::new(), AttachNonce::random(), CLAIM_LIFE);
    matches!(timeout(PROBE_TIME, claim).await, Ok(Ok(_)))
}

fn text(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(words.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
