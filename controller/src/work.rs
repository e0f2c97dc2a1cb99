//! Work that is due on sessions: launch and release, driven from the store.
//!
//! Whoever claims a piece holds it by a short lease; a controller that dies takes nothing with it but that lease. Each
//! step may be repeated: a launch that exists is success, so is a removal of nothing, and the last step is the one
//! that makes the work not due any more.

use std::time::Duration;

use jiff::Timestamp;
use metrics::{counter, histogram};
use podling_session::{
    id::{Incarnation, LaunchName},
    launch::{Launch, LaunchError},
    phase::{End, EndReason, Phase, Stage},
    session::Session,
    spec::Limits,
    store::{Claim, StoreError, Work},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    core::Core,
    logs::{LogError, pace::Pace},
};

/// How long a claim lasts without an answer from us: so much later another controller goes on.
const LEASE: Duration = Duration::from_secs(10);
/// A piece of work ends before its lease does.
const STEP: Duration = Duration::from_secs(9);
/// Hints may be lost; the store is looked at this often in any case.
const POLL: Duration = Duration::from_secs(1);
/// Pieces of work at once, starts of runners among them: starting many more than there are processors wins nothing, and
/// makes each so slow that it looks dead.
const AT_ONCE: usize = 16;
/// How long a runner that was told to stop over its control stream may take before it is signalled.
const TOLD: Duration = Duration::from_secs(1);
/// How long a runner serves viewers that are behind after its command ended by itself; its own limit is 30 s.
const LINGER: Duration = Duration::from_secs(32);
/// What a runner needs beyond the grace of its command, to store its log.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Launcher(#[from] LaunchError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What remains of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// It is open still and due again after this long.
    Again(Duration),
}

/// Does what is due until `stop`, then finishes what is under way.
pub async fn run(core: Core, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    let mut due: Option<Instant> = None;
    loop {
        let changed = core.system.changed(); // Before the look: a change in between is not lost.
        claim(&core, &mut under_way).await;
        let wake = due.map_or(Instant::now() + POLL, |due| due.min(Instant::now() + POLL));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = under_way.join_next() => {
                if let Ok(Rest::Again(after)) = done {
                    let again = Instant::now() + after;
                    due = Some(due.map_or(again, |due| due.min(again)));
                }
            }
            () = changed => {}
            () = sleep_until(wake) => due = due.filter(|due| *due > wake),
        }
    }
    while under_way.join_next().await.is_some() {} // Each ends within `STEP`.
}

/// Starts what is due, as far as there is room.
async fn claim(core: &Core, under_way: &mut JoinSet<Rest>) {
    while under_way.len() < AT_ONCE {
        match timeout(STEP, core.system.claim_work(LEASE)).await {
            Ok(Ok(Some(claim))) => {
                under_way.spawn(perform(core.clone(), claim));
            }
            Ok(Ok(None)) => return,
            Ok(Err(error)) => return warn!(%error, "work could not be claimed"),
            Err(_) => return warn!("the store did not answer a claim"),
        }
    }
}

async fn perform(core: Core, Claim { work, token }: Claim) -> Rest {
    let (begun, kind, uid) = (Instant::now(), kind(&work), work.session().uid);
    let rest = match timeout(STEP, step(&core, &work)).await {
        Ok(Ok(rest)) => rest,
        Ok(Err(error)) => {
            counter!("podling_work_failures_total", "work" => kind).increment(1);
            warn!(session.id = %uid, error = &error as &dyn std::error::Error, "{kind} of session {uid} failed");
            Rest::Again(patience(work.session(), Timestamp::now(), Duration::from_secs(5)))
        }
        Err(_) => {
            counter!("podling_work_failures_total", "work" => kind).increment(1);
            warn!(session.id = %uid, "{kind} of session {uid} took too long");
            Rest::Again(Duration::ZERO)
        }
    };
    histogram!("podling_work_seconds", "work" => kind).record(begun.elapsed());
    if let Rest::Again(after) = rest
        && let Ok(Err(error)) = timeout(STEP, core.system.yield_work(uid, token, after)).await
    {
        warn!(session.id = %uid, %error, "the lease on session {uid} could not be given back"); // It runs out.
    }
    rest
}

fn kind(work: &Work) -> &'static str {
    match work {
        Work::Launch(_) => "launch",
        Work::Release(_) => "release",
    }
}

async fn step(core: &Core, work: &Work) -> Result<Rest, WorkError> {
    match work {
        Work::Launch(session) => launch(core, session).await,
        Work::Release(session) => release(core, session).await,
    }
}

async fn launch(core: &Core, session: &Session) -> Result<Rest, WorkError> {
    let life = session.life();
    let launch = described(core, life.launch_name(), session.spec.limits);
    let runner = launch.runner;
    match core.launcher.launch(&launch).await {
        Ok(()) => {}
        Err(LaunchError::Refused { reason, detail }) => {
            core.system.end(life, &End { reason, exit_code: None, detail }).await?;
            return Ok(Rest::Again(Duration::ZERO)); // Its release is due.
        }
        Err(error) => return Err(error.into()),
    }
    if core.system.launched(life, runner).await? {
        info!(session.id = %life.uid, "a runner of session {} was launched", life.uid);
        let _ = timeout(core.launcher.startup(), begun(core, life)).await; // Then it may take as long as it likes.
        return Ok(Rest::Nothing);
    }
    // It needs none any more: launched before, by an attempt that died here, or ended while the runner started.
    let now = core.system.find(life.uid).await?;
    if now.is_none_or(|now| now.phase.end().is_some() || now.life() != life) {
        core.launcher.stop(&launch.name, core.settings.grace + SETTLE).await?;
    }
    Ok(Rest::Again(Duration::ZERO)) // Whatever is due now waits for our lease.
}

/// Waits for the runner to say that it has begun.
async fn begun(core: &Core, life: Incarnation) {
    let mut pace = Pace::new(core.system.as_ref());
    let scheduling = |now: &Session| now.life() == life && now.phase == Phase::Starting { stage: Stage::Scheduling };
    while let Ok(Some(now)) = core.system.find(life.uid).await
        && scheduling(&now)
    {
        pace.wait().await;
    }
}

/// A launch, with the identity that follows from its name.
pub(crate) fn described(core: &Core, name: LaunchName, limits: Limits) -> Launch {
    let runner = core.seal.runner_id(&name);
    Launch { runner, secret: core.seal.bootstrap_secret(runner), name, limits }
}

/// What the launcher calls the runner of an incarnation: a warm one has had its name since before.
async fn launch_name(core: &Core, life: Incarnation) -> Result<LaunchName, StoreError> {
    let row = core.system.runner_of(life).await?;
    Ok(row.map_or_else(|| life.launch_name(), |row| row.launch))
}

/// Runner, then log, then row: the row says that the others are dealt with.
async fn release(core: &Core, session: &Session) -> Result<Rest, WorkError> {
    let life = session.life();
    let name = launch_name(core, life).await?;
    if !core.launcher.remove(&name).await? {
        let now = core.system.ping().await?;
        ask_to_stop(core, session, &name, now).await?;
        return Ok(Rest::Again(patience(session, now, Duration::from_secs(1))));
    }
    core.logs.settle(core, life).await?;
    if core.system.release(life).await? {
        info!(session.id = %life.uid, "session {} was released", life.uid);
    }
    Ok(Rest::Nothing)
}

async fn ask_to_stop(core: &Core, session: &Session, name: &LaunchName, now: Timestamp) -> Result<(), WorkError> {
    let grace = core.settings.grace;
    let Some(end) = session.phase.end() else { return Ok(()) };
    if lingers(session, end, now) {
        return Ok(());
    }
    let told = core.orders.stop(session.life(), end, grace);
    // One whose stream is open at another controller is told there.
    let nobody_tells = !told && core.settings.alone;
    if nobody_tells || since_end(session, now) >= TOLD {
        core.launcher.stop(name, grace + SETTLE).await?;
    }
    Ok(())
}

/// Whether the runner ends by itself: it told of the end, and nobody asked to be rid of the session.
fn lingers(session: &Session, end: &End, now: Timestamp) -> bool {
    use EndReason::{Checksum, Command, DiskFull, Exit, Install, Oom, Source};
    let by_runner = matches!(end.reason, Exit | Source | Checksum | Install | Command | Oom | DiskFull);
    by_runner && session.deleted_at.is_none() && since_end(session, now) < LINGER
}

/// When to look again: often at first, and then ever more rarely, a quarter of the time that it has been due.
fn patience(session: &Session, now: Timestamp, most: Duration) -> Duration {
    let due_since = session.ended_at.unwrap_or(session.created_at);
    let waited = now.duration_since(due_since).unsigned_abs();
    (waited / 4).clamp(Duration::from_millis(100), most)
}

fn since_end(session: &Session, now: Timestamp) -> Duration {
    let ended = session.ended_at.unwrap_or(now);
    now.duration_since(ended).try_into().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use podling_session::{
        id::Uid,
        principal::Principal,
        session::{LogRange, Release},
        spec::{Draft, Policy, Spec},
    };

    use super::*;

    /// Created at second 0, ended at second 10.
    fn ended(reason: EndReason) -> Session {
        let draft = Draft { command: Some("true".to_owned()), ..Draft::default() };
        let (spec, _) = Spec::check(draft, &Policy::default()).expect("a command is enough");
        let uid = Uid::new();
        Session {
            uid,
            id: uid.into(),
            owner: Principal::local_owner().owner,
            incarnation: 1,
            phase: Phase::Ended(End::because(reason)),
            release: Release::Held,
            spec,
            created_at: at(0),
            started_at: None,
            ended_at: Some(at(10)),
            deleted_at: None,
            last_activity_at: at(0),
            isolation: None,
            log: LogRange::default(),
            viewers: 0,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small second")
    }

    #[test]
    fn a_runner_that_ended_by_itself_serves_its_viewers_unless_the_session_is_deleted() {
        let check = |session: &Session, second: i64, expected: bool| {
            let end = session.phase.end().expect("it has ended");
            assert_eq!(lingers(session, end, at(second)), expected, "{:?} at {second}", end.reason);
        };
        check(&ended(EndReason::Exit), 11, true);
        check(&ended(EndReason::Checksum), 40, true);
        check(&ended(EndReason::Exit), 43, false);
        check(&ended(EndReason::Stopped), 11, false);
        check(&ended(EndReason::RunnerLost), 11, false);
        check(&Session { deleted_at: Some(at(11)), ..ended(EndReason::Exit) }, 11, false);
    }

    #[test]
    fn patience_grows_with_the_time_that_was_waited() {
        let session = ended(EndReason::Stopped);
        let check = |second: i64, millis: u64| {
            assert_eq!(patience(&session, at(second), Duration::from_secs(5)), Duration::from_millis(millis));
        };
        check(9, 250); // The store's clock may be a little ahead of ours.
        check(10, 100);
        check(14, 1_000);
        check(100, 5_000);
    }
}
