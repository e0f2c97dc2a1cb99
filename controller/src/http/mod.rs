//! The HTTP door: the public API, described by OpenAPI from the handlers themselves, and the pages that machines probe.
//!
//! Each handler names its caller, reads its request into domain types, calls one verb and turns the outcome into JSON.
//! From the outside in a request passes `trace` (its id, and the body of every refusal), `cors`, `crowd` (how many may be
//! under way), and `guard` (panics and the time that a request may take).

mod browsers;
mod bundles;
mod caller;
mod cors;
mod create;
mod crowd;
mod docs;
mod events;
mod guard;
mod health;
mod input;
mod keys;
mod limits;
mod log;
mod named;
mod openapi;
mod plain_text;
mod query;
mod refusal;
mod request;
mod screen;
mod sessions;
mod shares;
mod trace;
mod view;

use std::{net::SocketAddr, sync::Arc};

use axum::{Extension, Router, extract::DefaultBodyLimit, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use podling_daemon::health::Serving;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::openapi::document;
use crate::{core::Core, identity::LocalOwner};

/// The largest request body.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// What the handlers share.
pub struct Door {
    pub core: Core,
    pub serving: Serving,
    /// Cancelled when answers that would outlast a drain are to be cut.
    pub cut: CancellationToken,
    pub metrics: PrometheusHandle,
    /// The address that the door listens on, once bound.
    pub bound: SocketAddr,
}

impl Door {
    fn local_owner(&self) -> Option<LocalOwner> {
        LocalOwner::at(self.bound).filter(|_| self.core.settings.local_owner)
    }
}

/// Every path of the API, and a problem for every other.
pub fn router(door: Door) -> Router {
    let door = Arc::new(door);
    let hops = door.core.settings.trusted_hops;
    let origins = cors::Origins::new(&door.core.settings.allowed_origins);
    let secure = browsers::Secure(door.core.settings.public_url.scheme() == "https");
    let (routes, _) = openapi::routes().split_for_parts();
    routes
        .merge(docs::pages())
        .fallback(refusal::unknown_path)
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(log::Readers::default()))
        .layer(Extension(events::Listeners::default()))
        .layer(middleware::from_fn(guard::in_time))
        .layer(middleware::from_fn_with_state(Arc::<crowd::Crowd>::default(), crowd::in_turn))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn_with_state(origins, cors::answer))
        .layer(middleware::from_fn_with_state(door.core.audit.clone(), trace::audit))
        .layer(middleware::from_fn_with_state(secure, browsers::tell))
        .layer(middleware::from_fn_with_state(hops, trace::request))
        .with_state(door)
}
