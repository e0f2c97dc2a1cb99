//! One incarnation, from its assignment to its end: start, run, settle.

use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};

use podling_session::{
    forward::Forward,
    id::LaunchName,
    log::{Body, COMMAND_MARK},
    phase::{End, EndReason, Stage as StartStage},
    session::Isolation,
    source::Source,
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    assignment::Assignment,
    attach::{Registry, Stage},
    clone::clone,
    controller::{Controller, Order, Orders, Phase, report_leases, report_phases, report_segments},
    early::{Early, First, Ready, remove},
    fetch::{Giver, fetch},
    install::{Network, install, one_line, plan},
    program::{Outcome, Programs, abandoned, environment},
    sandbox::{Sandbox, SandboxError},
    source,
    terminal::{Input, Log, mirror, write},
};

/// More reports than one life has: four stages, Running and Ended.
const MAX_REPORTS: usize = 8;
/// How long the end waits for storage that refuses the log.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end waits for the emulator to have seen the last output.
const SCREEN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long viewers who are behind are served after the end.
const LINGER: Duration = Duration::from_secs(30);
/// The same after an order to end: time for the last message to those who are not behind.
const LINGER_ORDERED: Duration = Duration::from_secs(1);
/// How long the last output may take on its way to our own standard output.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(2);
/// The exit code of a command that could not be started.
const EXIT_COMMAND: i32 = 1;

/// Where and how this runner runs things.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) name: LaunchName,
    pub(crate) uid: Option<u32>,
    pub(crate) minimum: Isolation,
    pub(crate) isolation_none: bool,
    pub(crate) sources: source::Settings,
    pub(crate) install_timeout: Duration,
    pub(crate) forwards: Vec<Forward>,
    /// Whether the output is copied to this process's own.
    pub(crate) mirror_output: bool,
}

pub(crate) struct Life {
    pub(crate) assignment: Assignment,
    pub(crate) place: Place,
    pub(crate) stage: Arc<Stage>,
    pub(crate) input: Input,
    pub(crate) orders: Arc<Orders>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) controller: Controller,
    /// Cancelled when the runner's own process is told to end: nobody waits any longer.
    pub(crate) hurry: CancellationToken,
}

/// What reports and stores beside the session.
struct Clerks {
    writer: JoinSet<()>,
    reporters: JoinSet<()>,
    /// Ends with the others: whoever has the lease at the end of the session loses it with the terminal.
    _leases: JoinSet<()>,
    phases: mpsc::Sender<Phase>,
    settled: CancellationToken,
}

impl Life {
    /// Lives it, and says how it ended. The runner has nothing left to do then.
    pub(crate) async fn live(self, early: &mut Early) -> End {
        let clerks = Clerks::start(&self);
        let Life { assignment, place, stage, input, orders, registry, controller, hurry } = self;
        let mut mirrors = JoinSet::new();
        if place.mirror_output {
            mirrors.spawn(mirror(Arc::clone(&stage.log), tokio::io::stdout()));
        }
        let mut start = Start {
            assignment: &assignment,
            place: &place,
            stage: &stage,
            orders: &orders,
            controller: &controller,
            phases: &clerks.phases,
        };
        let (sandbox, end) = match start.sandbox(early).await {
            Ok(Ready { sandbox, first, forwards }) => {
                let end = start.run(&sandbox, first, input).await;
                drop(forwards);
                (Some(sandbox), end)
            }
            Err(end) => (None, end),
        };
        if timeout(SCREEN_TIMEOUT, stage.follower.finish()).await.is_err() {
            warn!("the log ends without a keyframe");
        }
        stage.log.end(end.clone());
        info!(end.reason = %end.reason, end.exit_code, "the session ended: {}", end.detail);
        let ordered = orders.order_now();
        let linger = if ordered.is_some() { LINGER_ORDERED } else { LINGER };
        let settle = clerks.settle(&controller, &stage.log, end.clone(), ordered);
        let mirrored = timeout(MIRROR_TIMEOUT, mirrors.join_next());
        let ((), (), _) = tokio::join!(settle, see_off(&registry, linger, &hurry), mirrored);
        registry.drain();
        if let Some(sandbox) = sandbox {
            remove(sandbox).await;
        }
        end
    }
}

impl Clerks {
    fn start(life: &Life) -> Clerks {
        let (phases, queue) = mpsc::channel(MAX_REPORTS);
        let (mut writer, mut reporters) = (JoinSet::new(), JoinSet::new());
        let settled = CancellationToken::new();
        let log = &life.stage.log;
        writer.spawn(write(Arc::clone(log)));
        let (controller, id) = (life.controller.clone(), life.assignment.life);
        reporters.spawn(report_segments(controller.clone(), id, Arc::clone(log), settled.clone()));
        reporters.spawn(report_phases(controller.clone(), id, queue));
        let mut leases = JoinSet::new();
        leases.spawn(report_leases(controller, id, life.registry.leases()));
        Clerks { writer, reporters, _leases: leases, phases, settled }
    }

    /// Stores and reports the end. Nothing is reported to a controller that is gone.
    async fn settle(mut self, controller: &Controller, log: &Log, end: End, order: Option<Order>) {
        if timeout(STORE_TIMEOUT, self.writer.join_next()).await.is_err() {
            warn!(stored = log.stored_end(), end = log.range().end, "the end of the terminal log could not be stored");
            self.writer.shutdown().await;
        }
        self.settled.cancel();
        if order == Some(Order::Abandon) {
            return self.reporters.shutdown().await;
        }
        let ended = Phase::Ended { end, log_end: log.stored_end(), output_end: log.range().end };
        let reported = async {
            // The segments first: Ended says that the log is complete.
            self.reporters.join_next().await;
            report(&self.phases, ended);
            drop(self.phases);
            self.reporters.join_next().await;
        };
        tokio::select! {
            () = reported => {}
            () = controller.contact().gone() => warn!("the end was not reported: the controller is gone"),
        }
    }
}

fn report(phases: &mpsc::Sender<Phase>, phase: Phase) {
    phases.try_send(phase).expect("the queue has room for every report of a life");
}

/// Serves viewers until they have everything, or for so long.
async fn see_off(registry: &Registry, linger: Duration, hurry: &CancellationToken) {
    let mut count = registry.count();
    tokio::select! {
        _ = timeout(linger, count.wait_for(|count| *count == 0)) => {}
        () = hurry.cancelled() => {}
    }
}

/// The way from an assignment to the end of the command.
struct Start<'a> {
    assignment: &'a Assignment,
    place: &'a Place,
    stage: &'a Arc<Stage>,
    orders: &'a Arc<Orders>,
    controller: &'a Controller,
    phases: &'a mpsc::Sender<Phase>,
}

impl Start<'_> {
    /// What was made before, with the limits of this session.
    async fn sandbox(&mut self, early: &mut Early) -> Result<Ready, End> {
        let limits = self.assignment.limits;
        let ready = early.ready().await.map_err(|error| self.fatal(not_started(&error)))?;
        if ready.sandbox.is_limited_to(&limits) {
            return Ok(ready);
        }
        let limited = {
            let sandbox = Arc::clone(&ready.sandbox);
            tokio::task::spawn_blocking(move || sandbox.limit(limits)).await
        };
        match limited {
            Ok(Ok(())) => Ok(ready),
            Ok(Err(error)) => Err(self.fatal(not_started(&error))),
            Err(error) => {
                error!(%error, "limiting the sandbox was cut off");
                Err(self.fatal(End::because(EndReason::Internal)))
            }
        }
    }

    async fn run(&mut self, sandbox: &Arc<Sandbox>, first: Option<First>, input: Input) -> End {
        let mut env = environment(sandbox.base_env(), self.assignment.life.uid, self.assignment);
        let (stage, orders) = (Arc::clone(self.stage), Arc::clone(self.orders));
        let mut programs = Programs { sandbox: Arc::clone(sandbox), first, stage, orders, input };
        if let Err(end) = self.fetch(&mut programs).await {
            return end;
        }
        if let Some(order) = self.orders.order_now() {
            return ordered(order);
        }
        if let Err(error) = self.reach(sandbox).await {
            return self.fatal(not_started(&error));
        }
        if let Some(plan) = plan(self.assignment, sandbox.work_dir()).await {
            self.enter(StartStage::Installing);
            let network = if self.assignment.egress { Network::Open } else { Network::None };
            if let Err(end) = install(&mut programs, plan, &mut env, self.place.install_timeout, network).await {
                return self.fatal(end);
            }
        }
        env.extend(self.assignment.secrets.clone());
        let level = sandbox.level();
        let (log, phases) = (&self.stage.log, self.phases);
        let started = || {
            log.note(Body::Mark(COMMAND_MARK.to_owned()));
            report(phases, Phase::Running(level));
        };
        match programs.run(&self.assignment.command, &env, pending(), started).await {
            Ok(outcome) => self.ended(outcome).await,
            Err(error) => self.fatal(not_started(&error)),
        }
    }

    /// Fetches the source, unless an order comes first.
    async fn fetch(&self, programs: &mut Programs) -> Result<(), End> {
        let Some(source) = &self.assignment.source else { return Ok(()) };
        let source = source::named(source).map_err(|error| self.fatal(error.end()))?;
        if let Source::Repository { url } = &source {
            self.enter(StartStage::Fetching);
            // git has the proxy and no other way out. Without isolation nothing holds it, as nothing else.
            match programs.sandbox.disconnect().await {
                Ok(()) | Err(SandboxError::Unwalled) => {}
                Err(error) => return Err(self.fatal(not_started(&error))),
            }
            return clone(programs, url, &self.place.sources).await.map_err(|end| self.fatal(end));
        }
        let sandbox = Arc::clone(&programs.sandbox);
        let entered = |stage| self.enter(stage);
        let request = source::Request {
            into: sandbox.work_dir(),
            scratch: &self.place.dir,
            settings: &self.place.sources,
            limits: source::Limits::default(),
        };
        let giver = Giver { controller: self.controller, life: self.assignment.life };
        tokio::select! {
            fetched = fetch(&source, &sandbox, request, giver, &self.stage.log, &entered) => {
                fetched.map_err(|end| self.fatal(end))
            }
            order = self.orders.ordered() => Err(ordered(order)),
        }
    }

    /// Gives commands the network that they are to have.
    async fn reach(&self, sandbox: &Sandbox) -> Result<(), SandboxError> {
        if self.assignment.egress { sandbox.connect().await } else { sandbox.disconnect().await }
    }

    fn enter(&self, stage: StartStage) {
        self.stage.log.note(Body::Stage(stage));
        report(self.phases, Phase::Stage(stage));
    }

    /// The command has ended; without `exit_on_job` the session has not.
    async fn ended(&self, outcome: Outcome) -> End {
        let end = outcome.end();
        if self.assignment.exit_on_job || outcome.order.is_some() {
            return end;
        }
        self.stage.log.mark(&end.detail);
        End { exit_code: end.exit_code, ..ordered(self.orders.ordered().await) }
    }

    /// Tells a failure in the log, where people look for it.
    fn fatal(&self, end: End) -> End {
        if self.orders.order_now().is_none() {
            self.stage.log.print(&format!("\x1b[31m[fatal]\x1b[m {}\r\n", one_line(&end.detail)));
        }
        end
    }
}

fn ordered(order: Order) -> End {
    match order {
        Order::Stop(stop) => stop.end,
        Order::Abandon => abandoned(),
    }
}

fn not_started(error: &dyn std::error::Error) -> End {
    let cause = explained(error);
    error!("nothing can be run: {cause}");
    let detail = format!("The command could not be started: {cause}.");
    End { reason: EndReason::Command, exit_code: Some(EXIT_COMMAND), detail }
}

/// The error with all of its causes.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
