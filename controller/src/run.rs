//! The composition of a controller that is alone on its machine: the one place that names concrete adapters.
//!
//! Whoever runs it goes: bind the listener · [`Controller::start`] · start a gateway that dials [`Controller::control`]
//! with [`Controller::service_keys`] · serve [`Controller::router`] · wait for a signal or
//! [`Controller::failed`] · [`Controller::drain`], while gateway and HTTP still serve, so that viewers see how their
//! sessions end · stop those two · [`Controller::close`].

use std::{ffi::OsString, net::SocketAddr, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use metrics_exporter_prometheus::PrometheusHandle;
use podling_daemon::{grpc, health::Serving, service_key::ServiceKeys};
use podling_proto::channel::{Address, Route};
use podling_session::{
    launch::Launcher,
    phase::{End, EndReason},
    store::Held,
};
use secrecy::SecretString;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use crate::{
    args::{ControllerArgs, IsolationMode},
    beats,
    core::{Core, Settings},
    data_dir::DataDir,
    grpc::orders::Orders,
    http::{self, Door},
    identity::bootstrap_key,
    launch::local::{LocalLauncher, RunnerProgram},
    limit::MemoryRateLimiter,
    logs::Logs,
    pool::Pool,
    reaper,
    seal::Seal,
    sign::KeyRing,
    store::{Store, sqlite},
    work::{self, SETTLE},
};

/// What the release of the last session may take once its runner has had its grace: cgroups, directories, rows.
const RELEASE: Duration = Duration::from_secs(5);
/// How often the drain looks again when nothing woke it.
const DRAIN_POLL: Duration = Duration::from_millis(100);
/// How long the tasks may take to end once they were told to; work under way is the longest.
const CLOSE: Duration = Duration::from_secs(15);

/// What a controller is started with.
pub struct Config {
    /// Made if there is none; used by one process at a time.
    pub data_dir: PathBuf,
    /// Where the API will be served.
    pub bound: SocketAddr,
    /// The binary that is a runner when it is given `program_args`, such as `podling runner`.
    pub program: PathBuf,
    pub program_args: Vec<OsString>,
    /// The rate of creation where the operator chose none.
    pub default_creates_per_minute: NonZeroU32,
    pub metrics: PrometheusHandle,
    pub args: ControllerArgs,
}

/// A controller that runs: it serves runners and gateways, does the work that is due, and reaps.
pub struct Controller {
    core: Core,
    serving: Serving,
    metrics: PrometheusHandle,
    bound: SocketAddr,
    control: PathBuf,
    service_keys: ServiceKeys,
    store: Arc<Store>,
    launcher: Arc<LocalLauncher>,
    pool: Arc<Pool>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    /// Last: the directory is ours until everything else is closed.
    _data: DataDir,
}

impl Controller {
    /// Opens or makes everything below the data directory, and starts to serve its socket and to work.
    ///
    /// # Errors
    /// When the directory is in use, or something in it cannot be opened, made or trusted.
    pub async fn start(config: Config) -> anyhow::Result<Controller> {
        let Config { data_dir, bound, program, program_args, default_creates_per_minute, metrics, args } = config;
        let (data, root_key) = tokio::task::spawn_blocking(move || {
            let data = DataDir::claim(&data_dir)?;
            let key = data.root_key()?;
            anyhow::Ok((data, key))
        })
        .await??;
        let seal = Arc::new(Seal::new(&root_key));
        let signer = KeyRing::open(data.signing_keys()).await.context("the signing keys cannot be used")?;
        let store = sqlite::open(&data.database()).await.context("the session store cannot be opened")?;
        let key_file = args.access.bootstrap_key_file.clone().unwrap_or_else(|| data.root().join("operator.key"));
        if bootstrap_key(store.as_ref(), &seal, &key_file).await? {
            info!("the operator's first API key is in {}", key_file.display());
        }
        let control = data.control_socket();
        let program = runner_program(&data, &args, program, program_args);
        let launcher = Arc::new(LocalLauncher::start(data.root(), program).context("runners cannot be launched")?);
        let limiter = Arc::new(MemoryRateLimiter::new());
        let core = Core {
            sessions: store.clone(),
            system: store.clone(),
            principals: store.clone(),
            signer: Arc::new(signer),
            limiter: limiter.clone(),
            launcher: launcher.clone(),
            seal,
            logs: Arc::new(Logs::in_directory(&data.blobs()).context("the directory of blobs cannot be used")?),
            orders: Arc::new(Orders::default()),
            beats: Arc::default(),
            settings: Arc::new(settings(args, bound, default_creates_per_minute)?),
        };
        let pool = Pool::start(core.clone()).await.context("the pool of warm runners cannot be made")?;
        let service_keys = ServiceKeys::from(random_credential());
        let listener = grpc::bind(&control).context("the control socket cannot be bound")?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let doors = crate::grpc::router(core.clone(), service_keys.clone(), stop.clone());
        let serve = grpc::serve(listener, doors, stop.clone());
        tasks.spawn(async move { serve.await.context("the control socket failed") });
        tasks.spawn(ending(work::run(core.clone(), stop.clone())));
        tasks.spawn(ending(reaper::run(core.clone(), stop.clone())));
        tasks.spawn(ending(beats::run(core.clone(), stop.clone())));
        let (filling, filled) = (stop.clone(), Arc::clone(&pool));
        tasks.spawn(ending(async move { filled.run(filling).await }));
        let forgetting = stop.clone();
        tasks.spawn(ending(async move { limiter.run(forgetting).await }));
        let serving = Serving::default();
        serving.started();
        let running = Controller {
            core,
            serving,
            metrics,
            bound,
            control,
            service_keys,
            store,
            launcher,
            pool,
            stop,
            tasks,
            _data: data,
        };
        Ok(running)
    }

    /// The public API.
    pub fn router(&self) -> axum::Router {
        http::router(Door {
            core: self.core.clone(),
            serving: self.serving.clone(),
            metrics: self.metrics.clone(),
            bound: self.bound,
        })
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Where gateways of this machine reach the controller.
    pub fn control(&self) -> Route {
        self.control.clone().into()
    }

    /// What gateways show there. Made at start, kept nowhere.
    pub fn service_keys(&self) -> ServiceKeys {
        self.service_keys.clone()
    }

    /// Waits for what should never happen: that a part of the controller ends by itself. Cancel-safe.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow!(error).context("a part of the controller broke off"),
            Some(Ok(Ok(()))) | None => anyhow!("a part of the controller ended by itself"),
        }
    }

    /// Ends every session as `stopped` and waits until nothing is left of their runners: at most the grace of commands
    /// and a few seconds.
    pub async fn drain(&self) {
        self.serving.drain();
        let deadline = Instant::now() + self.core.settings.grace + SETTLE + RELEASE;
        let all = async { tokio::try_join!(self.release_all(), self.pool.drain()) };
        match timeout_at(deadline, all).await {
            Ok(Ok(_)) => info!("every session was ended and released"),
            Ok(Err(error)) => warn!(%error, "the sessions could not be ended; the next start goes on with them"),
            Err(_) => warn!("some sessions were not released in time; the next start goes on with them"),
        }
    }

    async fn release_all(&self) -> anyhow::Result<()> {
        let system = self.core.system.as_ref();
        let end = End { detail: "Podling was shut down.".to_owned(), ..End::because(EndReason::Stopped) };
        for Held { life, launch, .. } in system.held().await? {
            // One that had ended before may still serve viewers, for longer than we wait.
            if !system.end(life, &end).await? {
                self.launcher.stop(&launch, self.core.settings.grace + SETTLE).await?;
            }
        }
        loop {
            let held = system.held().await?;
            if held.is_empty() {
                return Ok(());
            }
            for Held { life, .. } in held {
                system.end(life, &end).await?; // Of one that was created since, too.
            }
            tokio::select! {
                () = system.changed() => {}
                () = sleep(DRAIN_POLL) => {}
            }
        }
    }

    /// Ends all parts and closes the store. Runners that are left go on without us until they notice.
    pub async fn close(mut self) {
        self.stop.cancel();
        let ended = timeout(CLOSE, async { while self.tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            warn!("some parts of the controller did not end in time");
            self.tasks.shutdown().await;
        }
        self.launcher.close().await;
        self.store.close().await;
        let _ = std::fs::remove_file(&self.control); // The next bind replaces it as well.
    }
}

async fn ending(part: impl Future<Output = ()>) -> anyhow::Result<()> {
    part.await;
    Ok(())
}

fn runner_program(
    data: &DataDir,
    args: &ControllerArgs,
    program: PathBuf,
    program_args: Vec<OsString>,
) -> RunnerProgram {
    RunnerProgram {
        program,
        args: program_args,
        controller: Address::Unix(data.control_socket()).to_string(),
        blobs: data.blobs(),
        unconfined: args.runners.isolation == IsolationMode::None,
        min_isolation: args.runners.lowest_level(),
        allowed_sources: args.runners.allowed_sources.iter().map(ToString::to_string).collect(),
        mirror_output: args.runners.mirror_output,
        grace: args.runners.grace,
    }
}

fn settings(args: ControllerArgs, bound: SocketAddr, default_rate: NonZeroU32) -> anyhow::Result<Settings> {
    let ControllerArgs { access, policy, quotas, runners } = args;
    let public_url = match access.public_url {
        Some(url) => url,
        None => own_url(bound).context("the public URL cannot be told from the address")?,
    };
    Ok(Settings {
        issuer: access.issuer,
        public_url,
        policy: policy.policy(),
        token_life: access.token_life,
        keep_ended: policy.keep_ended,
        create_rate: quotas.create_rate(default_rate),
        max_sessions_per_owner: quotas.max_sessions_per_owner,
        max_sessions_per_tenant: quotas.max_sessions_per_tenant,
        max_viewers: quotas.max_viewers,
        warm_runners: runners.warm_runners as usize,
        grace: runners.grace,
        allowed_sources: runners.allowed_sources,
        // A command without a sandbox could call as the local owner.
        local_owner: runners.isolation == IsolationMode::Sandbox,
        allowed_origins: access.allowed_origins,
    })
}

/// Every address of the machine is none that a browser could open: then it is this machine's own name for itself.
fn own_url(bound: SocketAddr) -> Result<Url, url::ParseError> {
    match bound.ip().is_unspecified() {
        true => Url::parse(&format!("http://localhost:{}", bound.port())),
        false => Url::parse(&format!("http://{bound}")),
    }
}

fn random_credential() -> SecretString {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_a_browser_of_this_machine_finds_us() {
        let check = |bound: &str, url: &str| {
            assert_eq!(own_url(bound.parse().expect("an address")).expect("a URL").as_str(), url);
        };
        check("127.0.0.1:8080", "http://127.0.0.1:8080/");
        check("[::1]:80", "http://[::1]/");
        check("0.0.0.0:8080", "http://localhost:8080/");
    }
}
