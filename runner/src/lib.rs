//! The runner: the trusted process that serves one incarnation of a session. It fetches the source, surrounds the
//! command with a sandbox, keeps the terminal log, and serves viewers.

pub mod args;
mod process;

mod assignment;
mod controller;
mod early;
mod life;
mod listen;

mod clone;
mod fetch;
mod forward;
mod install;
mod pump;
pub mod sandbox;
mod source;

mod program;
mod pty;

mod activity;
mod attach;
mod terminal;

use std::{io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use podling_daemon::{
    grpc, shutdown,
    telemetry::{self, LogArgs},
};
use podling_proto::{
    channel::{CONNECTION_WINDOW, Route, STREAM_WINDOW},
    terminal::{direct_server::DirectServer, terminal_server::TerminalServer},
    tls::Trust,
};
use podling_session::{
    id::Incarnation,
    phase::{End, EndReason},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tracing::{error, info};

use activity::Activity;
use args::{Args, IsolationArg};
use assignment::Assignment;
use attach::{Door, Registry, Stage};
use controller::{Contact, Controller, Order, Orders, Patience, Stop, Vitals, attend};
use early::Early;
use life::{Life, Place};
use listen::Listener;
use source::Settings;
use terminal::{Follower, Head, Log, Window, keyboard};

pub use controller::Bootstrap;

/// The socket in the runner's directory where gateways attach.
pub const ATTACH_SOCKET: &str = "attach.sock";
/// Largest message that a gateway may send: input in one piece.
const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// How long a signal waits for the controller to say why. A runner that stood still connects anew first.
const REASON: Duration = Duration::from_secs(1);
/// More streams than the registry ever opens, so that it and not the transport refuses a viewer.
const MAX_STREAMS: u32 = 8192;

/// A runner as a process: hardens it, reads the bootstrap from standard input, serves, and returns the exit code of the
/// command. No thread may have been started.
pub fn main_with(args: Args, log: &LogArgs) -> ExitCode {
    match telemetry::start(log).and_then(|()| start(args)) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("podling runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<i32> {
    if args.clean {
        sandbox::clean(&args.dir, &args.name).context("cleaning up failed")?;
        return Ok(0);
    }
    process::harden().context("the runner's process cannot be closed to others")?;
    let bootstrap = Bootstrap::read(std::io::stdin().lock()).context("reading the bootstrap failed")?;
    process::close_input().context("standard input cannot be closed")?;
    // One thread for all that waits: handing a key from one to another would cost more than all that is done with it.
    // What takes long is done on blocking threads.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("the runtime cannot start")?;
    let code = runtime.block_on(run(args, bootstrap));
    runtime.shutdown_background(); // What still blocks has had its time.
    code
}

/// Serves one incarnation, and returns the exit code for the process.
///
/// # Errors
/// When the runner cannot serve at all; whatever happens to the session is told to the controller instead.
pub async fn run(args: Args, bootstrap: Bootstrap) -> anyhow::Result<i32> {
    let Args {
        dir,
        name,
        blobs,
        uid,
        isolation,
        min_isolation,
        sources,
        source_cache,
        install_timeout,
        sandbox_forward,
        grace,
        mirror_output,
        listen,
        host,
        ..
    } = args.clone();
    let blobs = blobs.context("--blobs is missing")?;
    let route = route(&args)?;
    let place = Place {
        dir,
        name,
        uid,
        minimum: min_isolation,
        isolation_none: isolation == IsolationArg::None,
        sources: Settings::new(sources, source_cache)?,
        install_timeout,
        forwards: sandbox_forward,
        mirror_output,
    };
    let mut early = Early::start(&place);
    let (listener, serves) = listen::bind(&place.dir, listen, host.as_deref()).await?;
    let patience = Patience { refused: args.controller_refused_timeout, silent: args.controller_timeout };
    let mut runner = Runner::new();
    let signalled = CancellationToken::new();
    runner.obey_signals(grace, signalled.clone());
    runner.serve(listener);
    let contact = Arc::new(Contact::new(patience));
    let registering = Controller::register(&route, bootstrap, serves, contact);
    let end = tokio::select! {
        controller = registering => match controller {
            Ok(controller) => runner.live(controller, place, &blobs, &mut early, signalled).await,
            Err(error) => Err(error).context("registering failed"),
        },
        () = signalled.cancelled() => Ok(End::because(EndReason::Stopped)),
    };
    early.discard().await;
    runner.close().await;
    Ok(program::process_code(&end?))
}

/// The way to the controllers.
fn route(args: &Args) -> anyhow::Result<Route> {
    let trust = args.controller_ca.as_deref().map(|path| {
        let pem = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Trust::authority(&pem).with_context(|| format!("{} cannot be used", path.display()))
    });
    Route::new(args.controller.clone(), trust.transpose()?.as_ref()).context("the controller cannot be connected to")
}

/// The file in the runner's directory that says what it serves.
const ASSIGNED: &str = "assigned";

/// Notes that the runner was assigned, which has to be done before anything of it is begun: were it to die without the
/// note, its launcher would know that the session can be given to another. Under way when this returns.
fn note_assigned(dir: &Path, life: Incarnation) -> JoinHandle<io::Result<()>> {
    let path = dir.join(ASSIGNED);
    tokio::task::spawn_blocking(move || std::fs::write(path, life.launch_name().as_str()))
}

/// The parts of a runner that are there before it knows what it serves.
struct Runner {
    orders: Arc<Orders>,
    registry: Arc<Registry>,
    door: Door,
    activity: Arc<Activity>,
    head: watch::Sender<Head>,
    /// Serves viewers until `stop`, then until they have their last messages.
    server: JoinSet<()>,
    stop: CancellationToken,
    /// Listen to signals and to the controller, for as long as there is anything to do.
    listeners: JoinSet<()>,
}

impl Runner {
    fn new() -> Runner {
        let orders = Arc::new(Orders::default());
        let registry = Arc::new(Registry::new());
        Runner {
            door: Door::new(Arc::clone(&registry), Arc::clone(&orders)),
            orders,
            registry,
            activity: Arc::new(Activity::new()),
            head: watch::Sender::default(),
            server: JoinSet::new(),
            stop: CancellationToken::new(),
            listeners: JoinSet::new(),
        }
    }

    /// A signal is an order to stop, and to wait for nobody but the controller, which may know why and is about to say so.
    fn obey_signals(&mut self, grace: Duration, signalled: CancellationToken) {
        let orders = Arc::clone(&self.orders);
        self.listeners.spawn(async move {
            match shutdown::terminated().await {
                Ok(()) => info!("the runner was told to end"),
                Err(error) => return error!(%error, "signals cannot be listened for"),
            }
            if orders.is_assigned() {
                let _ = timeout(REASON, orders.ordered()).await; // Without one the session was just stopped.
            }
            orders.order(Order::Stop(Stop { end: End::because(EndReason::Stopped), grace }));
            signalled.cancel();
        });
    }

    fn serve(&mut self, listener: Listener) {
        let service = TerminalServer::new(self.door.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let mut server = grpc::server(STREAM_WINDOW, CONNECTION_WINDOW).max_concurrent_streams(MAX_STREAMS);
        let direct = DirectServer::new(self.door.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let router = server.add_routes(grpc::in_context(Routes::new(service).add_service(direct)));
        let (orders, stop) = (Arc::clone(&self.orders), self.stop.clone());
        self.server.spawn(async move {
            if let Err(error) = listener.serve(router, stop).await {
                error!(%error, "viewers can no longer be served");
                orders.order(Order::Stop(Stop { end: End::because(EndReason::Internal), grace: Duration::ZERO }));
            }
        });
    }

    /// Waits for an assignment and lives it.
    async fn live(
        &mut self,
        controller: Controller,
        place: Place,
        blobs: &Path,
        early: &mut Early,
        hurry: CancellationToken,
    ) -> anyhow::Result<End> {
        let (activity, viewers) = (Arc::clone(&self.activity), self.registry.count());
        let vitals = Vitals { activity, viewers, head: self.head.subscribe() };
        self.listeners.spawn(attend(controller.clone(), vitals, Arc::clone(&self.orders), Arc::clone(&self.registry)));
        let assign = tokio::select! {
            assign = self.orders.assigned() => assign,
            order = self.orders.ordered() => {
                info!("the runner ends before it was assigned");
                return Ok(match order {
                    Order::Stop(stop) => stop.end,
                    Order::Abandon => program::abandoned(),
                });
            }
        };
        let assignment = Assignment::try_from(assign).context("the assignment cannot be understood")?;
        let session = assignment.life.uid;
        info!(session.id = %session, "runner of session {session}, incarnation {}", assignment.life.number);
        let noting = note_assigned(&place.dir, assignment.life);
        let log_dir = blobs.join(&assignment.log_path);
        let log = Arc::new(Log::new(log_dir, assignment.log_bytes, self.head.clone()));
        let (keyboard, input) = keyboard();
        let follower = Follower::start(Arc::clone(&log), keyboard.clone()).context("the emulator has no thread")?;
        let stage = Arc::new(Stage {
            session,
            grants: assignment.grants.clone(),
            window: Window::new(Arc::clone(&log)),
            log,
            follower,
            keyboard,
            activity: Arc::clone(&self.activity),
        });
        noting.await.map_err(io::Error::other).flatten().context("the assignment cannot be noted")?;
        self.door.open(Arc::clone(&stage));
        let (orders, registry) = (Arc::clone(&self.orders), Arc::clone(&self.registry));
        Ok(Life { assignment, place, stage, input, orders, registry, controller, hurry }.live(early).await)
    }

    /// Lets the last messages out, then ends everything.
    async fn close(mut self) {
        self.registry.drain();
        self.stop.cancel();
        self.server.join_next().await; // It has a deadline of its own.
        self.door.closed().await;
        self.listeners.shutdown().await;
    }
}
