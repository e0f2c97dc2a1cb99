//! A controller as a process of its own.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc};

use anyhow::Context;
use podling_daemon::{http as server, process, redis::RedisArgs, service_key::ServiceKeys, telemetry};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    adapters::Database,
    admin_listen::AdminArgs,
    args::ControllerArgs,
    listen::ControlArgs,
    run::{Config, Controller, RunnerBinary},
    sign::rotation,
    store::postgres::args::PostgresArgs,
};

/// For strangers, who may be many.
const CREATES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(5).expect("not zero");

#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to serve the API
    #[arg(long, env = "PODLING_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// A front of Podling's own that passes every request on as it came: whoever may open it may call
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    pub front: Option<SocketAddr>,

    /// The process to end with, which started this one
    #[arg(long, value_name = "PID", hide = true)]
    pub parent: Option<i32>,

    /// The directory of runners, logs and keys, which the controllers of one machine share when their database is Postgres
    #[arg(long, env = "PODLING_DATA_DIR", value_name = "DIRECTORY")]
    pub data_dir: PathBuf,

    /// The key that gateways show, mode 0600: one line of 32 characters or more, and a second while it is being changed
    #[arg(long, env = "PODLING_SERVICE_KEY_FILE", value_name = "FILE")]
    pub service_key_file: PathBuf,

    /// The program of runners. Default: `podling-runner` beside this one
    #[arg(long, env = "PODLING_RUNNER_PROGRAM", value_name = "FILE")]
    pub runner_program: Option<PathBuf>,

    #[command(flatten)]
    pub control: ControlArgs,

    #[command(flatten)]
    pub admin: AdminArgs,

    #[command(flatten)]
    pub postgres: PostgresArgs,

    #[command(flatten)]
    pub redis: RedisArgs,

    #[command(flatten)]
    pub controller: ControllerArgs,
}

/// Serves until a signal, then until what is under way has ended.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn run(args: Args, own_runner: RunnerBinary) -> anyhow::Result<()> {
    let Args {
        listen,
        front,
        parent,
        data_dir,
        service_key_file,
        runner_program,
        control,
        admin,
        postgres,
        redis,
        controller,
    } = args;
    parent.map(process::end_with).transpose()?;
    let (service_keys, key_file) = ServiceKeys::in_file(&service_key_file).context("the service key cannot be used")?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let runner = runner_program.map_or(own_runner, |path| RunnerBinary { path, args: Vec::new() });
    let mut controller = Controller::start(Config {
        data_dir,
        bound: front.unwrap_or(bound),
        runner,
        default_creates_per_minute: CREATES_PER_MINUTE,
        metrics: telemetry::record_metrics().context("metrics cannot be recorded")?,
        service_keys,
        control,
        admin,
        database: Database::from(&postgres),
        redis: redis.open()?,
        args: controller,
    })
    .await?;
    let (stop, mut servers) = (CancellationToken::new(), JoinSet::new());
    let api = hyper_util::service::TowerToHyperService::new(controller.router());
    servers.spawn(server::serve(listener, api, stop.clone()));
    servers.spawn(Arc::clone(&key_file).run(stop.clone()));
    process::announce("podling controller", bound)?;
    let core = controller.core().clone();
    let outcome = tokio::select! {
        ended = rotation::until_terminated(&core) => ended.context("signals cannot be listened for"),
        error = controller.failed() => Err(error),
    };
    info!("shutting down");
    // Whoever comes now is for another controller.
    stop.cancel();
    controller.drain().await;
    servers.join_all().await;
    controller.close().await;
    outcome
}
