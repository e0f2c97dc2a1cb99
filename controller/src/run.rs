//! The composition of a controller: the one place that names concrete adapters.
//!
//! Whoever runs it goes: bind the listener · [`Controller::start`] · start a gateway that dials [`Controller::control`],
//! where there is one · serve [`Controller::router`] · wait for a signal or [`Controller::failed`] ·
//! [`Controller::drain`], while gateway and HTTP still serve, so that viewers see how their sessions end · stop those two ·
//! [`Controller::close`].

mod drain;
mod settings;

use std::{
    ffi::OsString,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use podling_daemon::{health::Serving, redis::Redis, service_key::ServiceKeys, telemetry};
use podling_proto::channel::Route;
use podling_session::sign::Signer;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    adapters::{Database, Limiter},
    admin_listen::{AdminArgs, AdminListener},
    args::{ControllerArgs, IsolationMode},
    audit::{self, Audit},
    beats,
    bundles::{self, Bundles},
    clock::{self, StoreClock},
    core::Core,
    data_dir::{DataDir, Use},
    grpc::{orders::Orders, seats::Seats},
    http::{self, Door},
    identity::{self, Identity, bootstrap_key},
    launch::local::{LocalLauncher, RunnerProgram},
    listen::{ControlArgs, Listeners},
    logs::Logs,
    pool::Pool,
    quotas::Quotas,
    reaper,
    seal::Seal,
    sign::{KeyRing, KmsRing, rotation},
    store::Store,
    work,
};

/// How long the tasks may take to end once they were told to; work under way is the longest.
const CLOSE: Duration = Duration::from_secs(15);

/// How long the first look at Cloud KMS may take, or the making of the first key there.
const KMS: Duration = Duration::from_secs(60);

/// What a controller is started with.
pub struct Config {
    /// Made if there is none; used by controllers of one database at a time.
    pub data_dir: PathBuf,
    /// Where callers find the API: our own listener, or a front of ours that passes everything on as it is.
    pub bound: SocketAddr,
    pub runner: RunnerBinary,
    /// The rate of creation where the operator chose none.
    pub default_creates_per_minute: NonZeroU32,
    pub metrics: PrometheusHandle,
    /// What gateways show.
    pub service_keys: ServiceKeys,
    pub control: ControlArgs,
    pub admin: AdminArgs,
    pub database: Database,
    pub redis: Option<Arc<Redis>>,
    pub args: ControllerArgs,
}

/// The binary that is a runner when it is given these arguments first, such as `podling runner`.
#[derive(Clone, Debug)]
pub struct RunnerBinary {
    pub path: PathBuf,
    pub args: Vec<OsString>,
}

/// A controller that runs: it serves runners and gateways, does the work that is due, and reaps.
pub struct Controller {
    core: Core,
    serving: Serving,
    /// Ends answers that would hold the drain up.
    cut: CancellationToken,
    metrics: PrometheusHandle,
    bound: SocketAddr,
    /// Where gateways of this machine reach it.
    socket: PathBuf,
    /// Tells operators of this machine where they reach it.
    told: Option<PathBuf>,
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
        let Config { data_dir, bound, runner, default_creates_per_minute, metrics, .. } = config;
        let Config { service_keys, control, admin, database, redis, args, .. } = config;
        ensure!(
            args.runners.has_room_for_forwards(),
            "--sandbox-forward needs a loopback of the session's own: it goes not with --isolation none"
        );
        let alone = database.sharing() == Use::Alone;
        let keep_audit = args.policy.keep_audit;
        let Ground { data, seal, signer, store, listeners } = prepare(&data_dir, database, &control, &args).await?;
        let socket = listeners.socket.clone();
        let program = runner_program(&data, runner, control, &args, &socket);
        let launcher = Arc::new(LocalLauncher::start(data.root(), program).context("runners cannot be launched")?);
        let limiter = Limiter::from(redis);
        let (rotate_every, key_lead) = (args.signing.rotate_keys_every, args.signing.key_lead);
        let clock = StoreClock::of(store.as_ref()).await.context("the store's clock cannot be looked at")?;
        let (seal, clock) = (Arc::new(seal), Arc::new(clock));
        let identity = Identity::new(store.clone(), seal.clone(), clock.clone()).trusting(args.identity.issuers()?);
        let core = Core {
            sessions: store.clone(),
            system: store.clone(),
            principals: store.clone(),
            shares: store.clone(),
            identity: Arc::new(identity),
            quotas: Arc::new(Quotas::new(store.clone())),
            operator: store.clone(),
            signer,
            limiter: limiter.seam(),
            launcher: launcher.clone(),
            seal,
            logs: Arc::new(Logs::in_directory(&data.blobs()).context("the directory of blobs cannot be used")?),
            bundles: Bundles::in_directory(&data.blobs(), args.bundles.clone(), args.policy.start_deadline),
            orders: Arc::new(Orders::default()),
            seats: Seats::new(usize::try_from(args.quotas.max_viewers).unwrap_or(usize::MAX)),
            beats: Arc::default(),
            audit: Arc::new(Audit::new(store.clone())),
            clock,
            settings: Arc::new(settings::settings(args, bound, default_creates_per_minute, alone)?),
        };
        let admin = AdminListener::bind(&data, &admin).await?;
        let pool = Pool::start(core.clone()).await.context("the pool of warm runners cannot be made")?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        listeners.serve(crate::grpc::router(core.clone(), service_keys, stop.clone()), &stop, &mut tasks);
        let told = match admin {
            Some(listener) => {
                listener.serve(crate::grpc::admin::router(core.clone(), stop.clone()).await?, &stop, &mut tasks)
            }
            None => None,
        };
        tasks.spawn(ending(work::run(core.clone(), stop.clone())));
        tasks.spawn(ending(reaper::run(core.clone(), stop.clone())));
        tasks.spawn(ending(crate::grpc::ends::run(core.clone(), stop.clone())));
        tasks.spawn(ending(audit::run(core.audit.clone(), keep_audit, stop.clone())));
        tasks.spawn(ending(beats::run(core.clone(), stop.clone())));
        tasks.spawn(ending(identity::run(core.clone(), stop.clone())));
        tasks.spawn(ending(clock::run(core.clone(), stop.clone())));
        tasks.spawn(ending(rotation::run(core.clone(), rotate_every, key_lead, stop.clone())));
        tasks.spawn(ending(telemetry::tend(metrics.clone(), stop.clone())));
        tasks.spawn(ending(bundles::run_prune(core.clone(), stop.clone())));
        let (filling, filled) = (stop.clone(), Arc::clone(&pool));
        tasks.spawn(ending(async move { filled.run(filling).await }));
        tasks.spawn(ending(limiter.run(stop.clone())));
        let serving = Serving::default();
        serving.started();
        let cut = CancellationToken::new();
        Ok(Controller {
            core,
            serving,
            cut,
            metrics,
            bound,
            socket,
            told,
            store,
            launcher,
            pool,
            stop,
            tasks,
            _data: data,
        })
    }

    /// The public API.
    pub fn router(&self) -> axum::Router {
        http::router(Door {
            core: self.core.clone(),
            serving: self.serving.clone(),
            cut: self.cut.clone(),
            metrics: self.metrics.clone(),
            bound: self.bound,
        })
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Where gateways of this machine reach this controller.
    pub fn control(&self) -> Route {
        self.socket.clone().into()
    }

    /// Waits for what should never happen: that a part of the controller ends by itself. Cancel-safe.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => anyhow!(error).context("a part of the controller broke off"),
            Some(Ok(Ok(()))) | None => anyhow!("a part of the controller ended by itself"),
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
        for path in [Some(&self.socket), self.told.as_ref()].into_iter().flatten() {
            let _ = std::fs::remove_file(path); // The next start clears it away as well.
        }
    }
}

async fn ending(part: impl Future<Output = ()>) -> anyhow::Result<()> {
    part.await;
    Ok(())
}

/// What one controller makes at a time: all of it is there for who starts next.
struct Ground {
    data: DataDir,
    seal: Seal,
    signer: Arc<dyn Signer>,
    store: Arc<Store>,
    listeners: Listeners,
}

async fn prepare(
    data_dir: &Path,
    database: Database,
    control: &ControlArgs,
    args: &ControllerArgs,
) -> anyhow::Result<Ground> {
    let (data, _turn) = DataDir::claim(data_dir, &database.sharing()).await?;
    let seal = Seal::new(&data.root_key()?); // Half a kilobyte from a local disk, once.
    let signer = signer(&data, args).await.context("the signing keys cannot be used")?;
    let store = database.open(&data).await?;
    let key_file = args.access.bootstrap_key_file.clone().unwrap_or_else(|| data.root().join("operator.key"));
    if bootstrap_key(store.as_ref(), &seal, &key_file).await? {
        info!("the operator's first API key is in {}", key_file.display());
    }
    let listeners = Listeners::bind(&data, control).await?;
    Ok(Ground { data, seal, signer, store, listeners })
}

async fn signer(data: &DataDir, args: &ControllerArgs) -> anyhow::Result<Arc<dyn Signer>> {
    let schedule = args.signing.schedule(args.access.token_life);
    let Some(key) = args.signing.kms_key.clone() else {
        let ring = KeyRing::open(data.signing_keys(), schedule).await.map_err(anyhow::Error::from_boxed)?;
        return Ok(Arc::new(ring));
    };
    let ring = KmsRing::at_google(key, args.signing.kms_endpoint.clone(), schedule);
    let ring = timeout(KMS, ring).await.context("Cloud KMS does not answer")?.map_err(anyhow::Error::from_boxed)?;
    Ok(Arc::new(ring))
}

fn runner_program(
    data: &DataDir,
    binary: RunnerBinary,
    control: ControlArgs,
    args: &ControllerArgs,
    socket: &Path,
) -> RunnerProgram {
    RunnerProgram {
        program: binary.path,
        args: binary.args,
        controllers: control.told_to_runners(data, socket),
        controller_ca: control.tls_ca,
        listen: control.runner_listen,
        blobs: data.blobs(),
        unconfined: args.runners.isolation == IsolationMode::None,
        min_isolation: args.runners.lowest_level(),
        sources: args.sources.to_arguments(),
        source_cache: data.source_cache(),
        forwards: args.runners.forwards.clone(),
        mirror_output: args.runners.mirror_output,
        grace: args.runners.grace,
        install_timeout: args.runners.install_timeout,
    }
}
