//! The browser's door: spends one-time tokens and bridges WebSockets to runners. Holds connections, owns no durable
//! state.
//!
//! `http` routes; `crowd` bounds; `attach` parses what a client asks for; `admit` decides, with `verify`, the replay guard and the
//! controller; `upstream` is the session's side of an open viewer, through failures; `bridge` is the viewer's, with `incoming` and
//! `outgoing` as the two directions of its socket. `shard` is the threads that all of these run on.

pub mod args;
mod config;
mod crowd;
mod health;
mod http;
pub mod service;

mod assets;
mod attach;
mod handshake;
mod origin;

mod admit;
mod admitting;
mod keys;
mod unsettled;
mod verify;

mod bridge;
mod close;
mod frame;
mod inbox;
mod incoming;
mod outage;
mod outgoing;
mod pongs;
mod upstream;

mod controller;
mod report;
mod runner;
mod shard;

#[cfg(test)]
mod replay_contract;
pub mod replay_memory;
pub mod replay_redis;

use std::{io, sync::Arc};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use podling_daemon::{
    client_address::client_address,
    http::Peer,
    request::{Context, REQUEST_ID},
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, warn};

pub use crate::{
    config::{Browsers, Config, Limits},
    report::Name,
};
use crate::{controller::Controller, crowd::Crowd, keys::Keys, runner::Runners, shard::Shards, unsettled::Unsettled};

/// One gateway; clones share everything.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) crowd: Crowd,
    pub(crate) controller: Controller,
    pub(crate) keys: Keys,
    pub(crate) unsettled: Unsettled,
    pub(crate) runners: Runners,
    pub(crate) shards: Shards,
    pub(crate) sockets: TaskTracker,
    pub(crate) draining: CancellationToken,
}

impl Gateway {
    /// Connects to nothing yet: the controller may start later.
    ///
    /// # Errors
    /// When the threads that serve viewers cannot be started.
    pub fn new(config: Config) -> io::Result<Gateway> {
        let controller = Controller::new(&config.controller, config.credential.clone());
        Ok(Gateway(Arc::new(Inner {
            keys: Keys::new(controller.clone()),
            unsettled: Unsettled::default(),
            controller,
            crowd: Crowd::new(&config.limits),
            config,
            runners: Runners::default(),
            shards: Shards::start()?,
            sockets: TaskTracker::new(),
            draining: CancellationToken::new(),
        })))
    }

    /// Whether a path is the gateway's to answer: terminals and the browser's files.
    pub fn is_mine(path: &str) -> bool {
        path.starts_with("/ws/") || path.starts_with(assets::PREFIX)
    }

    /// Answers one request. An upgraded connection lives on in a task that [`Gateway::drain`] awaits.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        let hops = self.0.config.trusted_hops;
        let peer = request.extensions().get::<Peer>();
        let address = peer.map(|Peer(peer)| client_address(request.headers(), peer.ip(), hops));
        let context = Context::read(request.headers(), address);
        let span = context.span(request.method().as_str(), request.uri().path());
        let mut response = context.clone().scope(http::handle(&self.0, request)).instrument(span).await;
        response.headers_mut().insert(REQUEST_ID, context.id_header());
        response
    }

    /// How many viewers are attached.
    pub fn sockets(&self) -> usize {
        self.0.sockets.len()
    }

    /// Tells the controllers of itself until one of them has it drain: an operator's order, and the caller's to carry out.
    pub async fn told_to_drain(&self, name: Name) {
        report::until_drained(&self.0, &name).await;
    }

    /// Stops accepting, sends the viewers away (1001) over `limits.drain_spread`, and awaits every socket.
    pub async fn drain(&self) {
        self.0.draining.cancel();
        self.0.sockets.close();
        let Limits { drain_spread, close_timeout, .. } = self.0.config.limits;
        // A socket may be in the middle of a send when its turn comes, and then waits for the peer's close frame.
        let patience = drain_spread + close_timeout * 2;
        if timeout(patience, self.0.sockets.wait()).await.is_err() {
            warn!(sockets = self.0.sockets.len(), "sockets were still open at the end of the drain");
        }
        let leftovers = &self.0.controller.leftovers;
        leftovers.close();
        leftovers.wait().await; // Each has a deadline of its own.
        self.0.shards.close().await;
    }
}
