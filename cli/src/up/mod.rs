//! `podling up`: controller and gateway in one process on one port, runners as processes of their own.

mod admin;
mod children;
mod demo;
mod door;
mod front;
mod prepare;
mod replicas;
mod settings;

use std::{ffi::OsString, io::Write, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use clap::{ArgMatches, Args as _, Command};
use podling_controller::{
    adapters::Database,
    admin_listen::AdminArgs,
    args::{AccessArgs, ControllerArgs, IsolationMode},
    listen::ControlArgs,
    run::{Config, Controller, RunnerBinary},
    sign::rotation,
    store::postgres::args::PostgresArgs,
};
use podling_daemon::{
    redis::RedisArgs,
    service_key::ServiceKeys,
    telemetry::{self, LogArgs},
};
use podling_gateway::{Browsers, Gateway, Limits, Name, replay_memory::MemoryReplayGuard, service::forget};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use demo::Api;
use replicas::{Plan, ReplicaArgs};

/// One person's machine: enough for a script in a loop, and still a limit.
const CREATES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// Viewers of one machine need not be spread over time when they are sent away: there is nowhere else to go.
const DRAIN_SPREAD: Duration = Duration::from_millis(500);

/// For how long browsers that came by TLS keep to it.
const HSTS: Duration = Duration::from_secs(365 * 24 * 3_600);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to serve the API and the terminals. On a loopback address whoever sits at this machine needs no key
    #[arg(long, env = "PODLING_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// The one directory in which everything is kept. Default: `podling` in the user's data directory, such as
    /// `~/.local/share/podling`
    #[arg(long, env = "PODLING_DATA_DIR", value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,

    /// Start a session of the sample agent, print its link, and show its output here
    #[arg(long)]
    demo: bool,

    #[command(flatten)]
    admin: AdminArgs,

    #[command(flatten)]
    replicas: ReplicaArgs,

    #[command(flatten)]
    postgres: PostgresArgs,

    #[command(flatten)]
    redis: RedisArgs,

    #[command(flatten)]
    controller: ControllerArgs,

    #[command(flatten)]
    surroundings: Surroundings,
}

/// What other programs say about this user and machine.
#[derive(clap::Args)]
struct Surroundings {
    #[arg(long, env = "HOME", hide = true)]
    home: Option<PathBuf>,
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    xdg_data_home: Option<PathBuf>,
    #[arg(long, env = "PATH", hide = true)]
    search_path: Option<OsString>,
    #[arg(long, env = "DISPLAY", hide = true)]
    display: Option<OsString>,
    #[arg(long, env = "WAYLAND_DISPLAY", hide = true)]
    wayland_display: Option<OsString>,
}

impl Surroundings {
    fn data_dir(&self) -> Option<PathBuf> {
        let share = self.xdg_data_home.clone().filter(|path| path.is_absolute());
        share.or_else(|| Some(self.home.as_ref()?.join(".local/share"))).map(|share| share.join("podling"))
    }

    fn has_display(&self) -> bool {
        [&self.display, &self.wayland_display].into_iter().flatten().any(|value| !value.is_empty())
    }
}

pub(crate) fn main(args: Args, said: &ArgMatches) -> anyhow::Result<()> {
    if args.controller.runners.isolation == IsolationMode::Sandbox {
        prepare::sandbox(args.surroundings.search_path.as_deref())?;
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot start")?;
    let Some(data_dir) = args.data_dir.clone().or_else(|| args.surroundings.data_dir()) else {
        bail!("neither --data-dir nor HOME says where to keep things");
    };
    if args.replicas.is_one_of_each() && args.postgres.postgres.is_none() && args.redis.redis.is_none() {
        return runtime.block_on(run(args, data_dir));
    }
    runtime.block_on(replicas::run(plan(args, data_dir, said)?))
}

/// What is one process otherwise, as several.
fn plan(args: Args, data_dir: PathBuf, said: &ArgMatches) -> anyhow::Result<Plan> {
    ensure!(!args.demo, "--demo is for one controller and one gateway");
    let of_services = LogArgs::augment_args(Command::new("up"));
    let of_services = AdminArgs::augment_args(of_services);
    let of_services = PostgresArgs::augment_args(RedisArgs::augment_args(ControllerArgs::augment_args(of_services)));
    let mut environment = settings::variables(&of_services, said);
    if args.controller.quotas.creates_per_minute.is_none() {
        environment.push(("PODLING_CREATES_PER_MINUTE".into(), CREATES_PER_MINUTE.to_string().into()));
    }
    if args.admin.admin_listen.is_none() {
        environment.push(("PODLING_ADMIN_LISTEN".into(), "127.0.0.1:0".into()));
    }
    if browsers(&args.controller.access).hsts.is_some() {
        environment.push(("PODLING_HSTS".into(), format!("{}s", HSTS.as_secs()).into()));
    }
    Ok(Plan {
        listen: args.listen,
        public_url: args.controller.access.public_url.map(String::from),
        data_dir,
        has_postgres: args.postgres.postgres.is_some(),
        has_redis: args.redis.redis.is_some(),
        counts: args.replicas,
        environment,
    })
}

/// The page is served at the public address; where that is one of TLS, browsers are to come by TLS alone.
fn browsers(access: &AccessArgs) -> Browsers {
    let public = access.public_url.as_ref();
    let own = public.map(|url| url.origin().ascii_serialization());
    Browsers {
        allowed_origins: access.allowed_origins.iter().cloned().chain(own).collect(),
        hsts: public.filter(|url| url.scheme() == "https").map(|_| HSTS),
    }
}

async fn run(args: Args, data_dir: PathBuf) -> anyhow::Result<()> {
    let Args { listen, demo, admin, replicas, controller, surroundings, .. } = args;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let issuer = controller.access.issuer.clone();
    let (browsers, trusted_hops) = (browsers(&controller.access), controller.access.proxies.trusted_hops);
    let key_file = controller.access.bootstrap_key_file.clone().unwrap_or_else(|| data_dir.join("operator.key"));
    let service_keys = ServiceKeys::random();
    let mut controller = Controller::start(Config {
        data_dir,
        bound,
        runner: own_runner()?,
        default_creates_per_minute: CREATES_PER_MINUTE,
        metrics: telemetry::record_metrics().context("metrics cannot be recorded")?,
        service_keys: service_keys.clone(),
        control: ControlArgs::default(),
        admin: admin::at_least_here(admin),
        database: Database::Sqlite,
        redis: None,
        args: controller,
    })
    .await?;
    let guard = Arc::new(MemoryReplayGuard::new());
    let gateway = Gateway::new(podling_gateway::Config {
        controller: controller.control(),
        credential: service_keys,
        issuer,
        guard: guard.clone(),
        limits: Limits { drain_spread: replicas.drain_spread.unwrap_or(DRAIN_SPREAD), ..Limits::default() },
        browsers,
        trusted_hops,
    })
    .context("viewers cannot be served")?;
    let stop = CancellationToken::new();
    let mut servers = JoinSet::new();
    servers.spawn(door::serve(listener, gateway.clone(), controller.router(), stop.clone()));
    servers.spawn(forget(guard, stop.clone()));
    let url = controller.core().settings.public_url.as_str().trim_end_matches('/').to_owned();
    announce(&url, bound)?;
    let keyless = controller.core().settings.local_owner && bound.ip().is_loopback();
    let api = Api { url: format!("http://{bound}"), key_file: (!keyless).then_some(key_file) };
    let core = controller.core().clone();
    let outcome = tokio::select! {
        ended = rotation::until_terminated(&core) => ended.context("signals cannot be listened for"),
        error = controller.failed() => Err(error),
        () = gateway.told_to_drain(Name::embedded(bound)) => Ok(()),
        failed = showing(demo, &api, &surroundings) => Err(failed),
    };
    info!("shutting down");
    // While they are still served, viewers see how their sessions end.
    controller.drain().await;
    gateway.drain().await;
    stop.cancel();
    servers.join_all().await;
    controller.close().await;
    outcome
}

/// This program is every part of Podling.
pub(crate) fn own_runner() -> anyhow::Result<RunnerBinary> {
    let path = std::env::current_exe().context("this program has no path")?;
    Ok(RunnerBinary { path, args: vec!["runner".into()] })
}

/// Runs the demo, and then nothing for ever; only a demo that fails ends `podling up`.
async fn showing(demo: bool, api: &Api, surroundings: &Surroundings) -> anyhow::Error {
    if demo && let Err(error) = demo::run(api, surroundings.search_path.as_deref(), surroundings.has_display()).await {
        error!("the demo session failed");
        return error;
    }
    std::future::pending().await
}

/// On standard output and flushed: scripts wait for this line.
#[expect(clippy::print_stdout, reason = "it is what the caller waits for")]
fn announce(url: &str, bound: SocketAddr) -> anyhow::Result<()> {
    println!("Podling listens on {bound} and is ready at {url}");
    std::io::stdout().flush().context("nobody reads standard output")
}
