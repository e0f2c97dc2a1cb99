//! One port for both: terminals go to the gateway, everything else to the controller's API.

use std::convert::Infallible;

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use podling_daemon::http as server;
use podling_gateway::Gateway;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, gateway: Gateway, api: Router, stop: CancellationToken) {
    let service = service_fn(move |request| route(gateway.clone(), api.clone(), request));
    server::serve(listener, service, stop).await;
}

async fn route(gateway: Gateway, api: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if Gateway::is_mine(request.uri().path()) {
        return Ok(gateway.handle(request).await.map(Body::new));
    }
    api.oneshot(request.map(Body::new)).await
}
