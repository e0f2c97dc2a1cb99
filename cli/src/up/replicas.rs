//! `podling up` with several of everything: each service a process of its own, and one address for all of them.

use std::{
    ffi::OsString,
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use podling_daemon::{
    service_key::ServiceKeys,
    shutdown::{Signal, Signals},
};
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{
    announce,
    children::{Children, Kind},
    front::Front,
};

/// How many services of each kind there are.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Replicas")]
pub(super) struct ReplicaArgs {
    /// How many controllers to run, each a process of its own; more than one need --postgres
    #[arg(long, env = "PODLING_CONTROLLERS", value_name = "NUMBER", default_value = "1")]
    pub(super) controllers: NonZeroU32,

    /// How many gateways to run, each a process of its own; more than one need --redis
    #[arg(long, env = "PODLING_GATEWAYS", value_name = "NUMBER", default_value = "1")]
    pub(super) gateways: NonZeroU32,

    /// Over how long a gateway that is told to end sends its viewers away. Default: 500ms for one, 10s for several
    #[arg(long, env = "PODLING_DRAIN_SPREAD", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) drain_spread: Option<Duration>,
}

impl ReplicaArgs {
    pub(super) fn is_one_of_each(&self) -> bool {
        self.controllers == NonZeroU32::MIN && self.gateways == NonZeroU32::MIN
    }
}

pub(super) struct Plan {
    pub(super) listen: SocketAddr,
    pub(super) public_url: Option<String>,
    pub(super) data_dir: PathBuf,
    pub(super) counts: ReplicaArgs,
    /// Whether the services have a Postgres, without which there is one controller.
    pub(super) has_postgres: bool,
    /// Whether they have a Redis, without which two gateways would spend one token twice.
    pub(super) has_redis: bool,
    /// What they are told beside.
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Plan {
    fn check(&self) -> anyhow::Result<()> {
        let is_one = |count| count == NonZeroU32::MIN;
        ensure!(self.has_postgres || is_one(self.counts.controllers), "several controllers need --postgres");
        ensure!(self.has_redis || is_one(self.counts.gateways), "several gateways need --redis");
        Ok(())
    }
}

/// Serves until a signal, then ends the services: gateways first, so that viewers are told while there are controllers.
///
/// # Errors
/// When something does not start.
pub(super) async fn run(plan: Plan) -> anyhow::Result<()> {
    plan.check()?;
    let Plan { listen, public_url, data_dir, counts, environment, .. } = plan;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let data_dir = make(&data_dir).with_context(|| format!("{} cannot be used", data_dir.display()))?;
    let key_file = data_dir.join("keys/service.key");
    write_key(&key_file).context("the service key cannot be written")?;
    let front = Front::default();
    let word = |text: &str| OsString::from(text);
    let common = |more: &[OsString]| {
        let key = ["--listen".into(), "127.0.0.1:0".into(), "--service-key-file".into(), key_file.clone().into()];
        [&key, more].concat()
    };
    let controller = Kind {
        name: "controller",
        arguments: common(&[word("--front"), bound.to_string().into(), word("--data-dir"), data_dir.clone().into()]),
        environment: environment.clone(),
        backends: front.controllers.clone(),
    };
    let mut sockets = OsString::from("unix:");
    sockets.push(data_dir.join("control/"));
    let spread = humantime::format_duration(counts.drain_spread.unwrap_or(SPREAD)).to_string();
    let gateway = Kind {
        name: "gateway",
        arguments: common(&[word("--controller"), sockets, word("--drain-spread"), spread.into()]),
        environment,
        backends: front.gateways.clone(),
    };
    let controllers = Children::start(controller, counts.controllers.get()).await?;
    let gateways = Children::start(gateway, counts.gateways.get()).await?;
    let (stop, serving, mut servers) = (CancellationToken::new(), front.serving.clone(), JoinSet::new());
    serving.started();
    servers.spawn(front.serve(listener, stop.clone()));
    let own = || format!("http://{bound}");
    announce(public_url.unwrap_or_else(own).trim_end_matches('/'), bound)?;
    let outcome = until_terminated(&controllers).await.context("signals cannot be listened for");
    info!("shutting down");
    serving.drain();
    gateways.end().await;
    controllers.end().await;
    stop.cancel();
    servers.join_all().await;
    outcome
}

/// A hang-up is for the controllers: they rotate their keys.
async fn until_terminated(controllers: &Children) -> io::Result<()> {
    let mut signals = Signals::listen()?;
    while signals.next().await == Signal::Hangup {
        controllers.hang_up();
    }
    Ok(())
}

/// What viewers who leave one of several gateways are spread over.
const SPREAD: Duration = Duration::from_secs(10);

/// Absolute: the services are told of it.
fn make(data_dir: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir.join("keys"))?;
    data_dir.canonicalize()
}

/// A new one at each start: only the services that we start now know it.
fn write_key(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", ServiceKeys::random().shown().expose_secret())
}
