//! What machines ask: whether the process lives, what it depends on, whether to send it traffic, its keys and metrics.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use podling_session::limit::Rate;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Door, caller::Monitors, openapi::MetricsRefusals, refusal::Refusal};
use crate::core::Core;

/// A dependency that answers later than this is as good as down.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// Whether the controller can do its work.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// ok or degraded
    status: &'static str,
    /// connected or disconnected
    database: &'static str,
}

/// A set of public keys (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of the answer, for the API's description")]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of the answer, for the API's description")]
struct PublicKey {
    /// RSA
    kty: String,
    /// sig
    #[schema(rename = "use")]
    usage: String,
    /// RS256
    alg: String,
    /// RFC 7638 thumbprint
    kid: String,
    n: String,
    e: String,
}

/// Liveness, with a word on the database: any answer says that the process lives, 503 that it is degraded.
///
/// Not for what restarts a controller or takes it from a balancer: a restart brings no database back. That asks `/servez`.
#[utoipa::path(
    get, path = "/healthz", tag = "operations", security(()),
    responses((status = 200, description = "It works", body = Health), (status = 503, description = "Degraded", body = Health)),
)]
pub(super) async fn healthz(State(door): State<Arc<Door>>) -> (StatusCode, Json<Health>) {
    if store_answers(&door.core).await {
        (StatusCode::OK, Json(Health { status: "ok", database: "connected" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "degraded", database: "disconnected" }))
    }
}

/// The truth about each dependency, one a line when any is down.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", security(()),
    responses((status = 200, description = "`ready`", body = String), (status = 503, description = "What is down", body = String)),
)]
pub(super) async fn readyz(State(door): State<Arc<Door>>) -> (StatusCode, String) {
    let core = &door.core;
    let (store, limiter) = tokio::join!(store_answers(core), limiter_answers(core));
    let checks = [
        ("database", store),
        ("rate limiter", limiter),
        ("signer", !core.signer.keys().keys.is_empty()),
        ("serving", door.serving.is_serving()),
    ];
    if checks.iter().all(|(_, up)| *up) {
        return (StatusCode::OK, "ready".to_owned());
    }
    let told = |(name, up): &(&str, bool)| format!("{name}: {}\n", if *up { "up" } else { "down" });
    let body = format!("not ready\n{}", checks.iter().map(told).collect::<String>());
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

/// Whether to send traffic here: not before start-up is complete, nor while draining.
#[utoipa::path(
    get, path = "/servez", tag = "operations", security(()),
    responses((status = 200, description = "`serving`", body = String), (status = 503, description = "`not serving`", body = String)),
)]
pub(super) async fn servez(State(door): State<Arc<Door>>) -> (StatusCode, &'static str) {
    if door.serving.is_serving() {
        (StatusCode::OK, "serving")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not serving")
    }
}

/// Metrics in the text format of Prometheus. They tell how much the others do, so strangers do not get them.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "All metrics", body = String), MetricsRefusals),
)]
pub(super) async fn metrics(State(door): State<Arc<Door>>, _: Monitors) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], door.metrics.render()).into_response()
}

/// The public keys of session tokens.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "operations", security(()),
    responses((status = 200, description = "All keys whose tokens may still live", body = KeySet)),
)]
pub(super) async fn jwks(State(door): State<Arc<Door>>) -> Result<Response, Refusal> {
    let signer = &door.core.signer;
    let life = HeaderValue::try_from(format!("public, max-age={}", signer.keys_life().as_secs())).expect("digits");
    Ok(([(header::CACHE_CONTROL, life)], Json(&*signer.keys())).into_response())
}

async fn store_answers(core: &Core) -> bool {
    matches!(timeout(PROBE_TIME, core.system.ping()).await, Ok(Ok(_)))
}

/// Whether it decides at all; the allowance of its own key is of no interest.
async fn limiter_answers(core: &Core) -> bool {
    let rate = Rate { burst: NonZeroU32::MIN, period: Duration::from_secs(1) };
    matches!(timeout(PROBE_TIME, core.limiter.take("readyz", rate)).await, Ok(Ok(_)))
}
