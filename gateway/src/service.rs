//! A gateway as a process of its own.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use podling_daemon::{health::Serving, http as server, process, service_key::ServiceKeys, shutdown};
use podling_session::replay::ReplayGuard;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    Browsers, Config, Gateway, Limits, Name, args::Args, health, replay_memory::MemoryReplayGuard,
    replay_redis::RedisReplayGuard,
};

/// How often the in-memory replay guard forgets claims that have expired.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Serves until a signal, then until every viewer was sent away.
///
/// # Errors
/// When it cannot start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let route = args.route()?;
    let Args { listen, parent, service_key_file, issuer, drain_spread, redis, allowed_origins, hsts, proxies, .. } =
        args;
    parent.map(process::end_with).transpose()?;
    let (credential, key_file) = ServiceKeys::in_file(&service_key_file).context("the service key cannot be used")?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let (stop, mut servers) = (CancellationToken::new(), JoinSet::new());
    let guard: Arc<dyn ReplayGuard> = match redis.open()? {
        Some(redis) => Arc::new(RedisReplayGuard::new(redis)),
        None => {
            warn!("without --redis this gateway must be the only one: another would take the tokens that it has spent");
            let guard = Arc::new(MemoryReplayGuard::new());
            servers.spawn(forget(guard.clone(), stop.clone()));
            guard
        }
    };
    let limits = Limits { drain_spread, ..Limits::default() };
    let browsers = Browsers { allowed_origins, hsts };
    let trusted_hops = proxies.trusted_hops;
    let config = Config { controller: route, credential, issuer, guard, limits, browsers, trusted_hops };
    let gateway = Gateway::new(config).context("viewers cannot be served")?;
    let (serving, own) = (Serving::default(), gateway.clone());
    let state = serving.clone();
    let service = service_fn(move |request| {
        let (gateway, serving) = (own.clone(), state.clone());
        async move { Ok::<_, Infallible>(answer(&gateway, &serving, request).await) }
    });
    servers.spawn(server::serve(listener, service, stop.clone()));
    servers.spawn(key_file.run(stop.clone()));
    serving.started();
    process::announce("podling gateway", bound)?;
    let outcome = tokio::select! {
        ended = shutdown::terminated() => ended.context("signals cannot be listened for"),
        () = gateway.told_to_drain(Name::at(bound)) => Ok(()),
    };
    info!("shutting down");
    serving.drain();
    // Viewers that are sent away come back at once, and must not find us.
    stop.cancel();
    gateway.drain().await;
    servers.join_all().await;
    outcome
}

async fn answer<B>(gateway: &Gateway, serving: &Serving, request: Request<B>) -> Response<Full<Bytes>> {
    match health::answer(gateway, serving, request.uri().path()).await {
        Some(answer) => answer,
        None => gateway.handle(request).await,
    }
}

/// Forgets, until `stop`, what the guard need not remember.
pub async fn forget(guard: Arc<MemoryReplayGuard>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(FORGET_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        guard.sweep();
    }
}
