//! The gRPC doors: runners report and take orders, gateways admit viewers, stored terminal logs are served.

pub(crate) mod admin;
mod admit;
mod auth;
mod bundle;
pub(crate) mod control;
mod credit;
pub(crate) mod ends;
mod error;
mod fetching;
mod gateways;
pub mod orders;
mod replay;
mod reports;
mod runners;
pub mod seats;
mod terminal;

use podling_daemon::{
    grpc::{in_context, server},
    service_key::ServiceKeys,
};
use podling_proto::{
    channel::{CONNECTION_WINDOW, STREAM_WINDOW},
    control::{gateways_server::GatewaysServer, runners_server::RunnersServer},
    terminal::terminal_server::TerminalServer,
};
use podling_session::log::MAX_SEGMENT_BYTES;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::{Routes, interceptor::InterceptedService},
    transport::server::Router,
};

use self::{auth::ServiceAuth, gateways::GatewaysDoor, runners::RunnersDoor, terminal::TerminalDoor};
use crate::core::Core;

/// A segment with its frame is a runner's largest message.
const MAX_FROM_RUNNER: usize = MAX_SEGMENT_BYTES + 64 * 1024;
/// Two tokens.
const MAX_FROM_GATEWAY: usize = 16 * 1024;
/// A viewer's input comes in pieces of at most its credit, 256 KiB.
const MAX_FROM_VIEWER: usize = 512 * 1024;

/// All doors. Runners show the credential of Register, gateways a service key, viewers a grant. Streams that are
/// open at `stop` end with it.
pub fn router(core: Core, service_keys: ServiceKeys, stop: CancellationToken) -> Router {
    let terminal = TerminalDoor { core: core.clone(), stop: stop.clone() };
    let runners = RunnersServer::new(RunnersDoor { core: core.clone(), stop: stop.clone() });
    let gateways = GatewaysServer::new(GatewaysDoor { core, stop }).max_decoding_message_size(MAX_FROM_GATEWAY);
    let routes = Routes::new(runners.max_decoding_message_size(MAX_FROM_RUNNER))
        .add_service(InterceptedService::new(gateways, ServiceAuth(service_keys)))
        .add_service(TerminalServer::new(terminal).max_decoding_message_size(MAX_FROM_VIEWER));
    server(STREAM_WINDOW, CONNECTION_WINDOW).add_routes(in_context(routes))
}
