//! Enforces deadlines, and makes what the launcher holds and what the store holds the same.
//!
//! The store decides about deadlines and silence, in its own clock. The launcher tells which runners are dead and which
//! nobody holds any more. What is left of a session that has ended is the work loop's.

use std::{collections::HashMap, time::Duration};

use metrics::{counter, gauge};
use podling_session::{
    id::{Incarnation, LaunchName},
    launch::{LaunchError, LaunchState, Launched},
    phase::{End, EndReason, Phase, Stage},
    session::{Release, Session},
    store::{Held, RunnerRow, StoreError, Swept},
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::{core::Core, work::SETTLE};

/// How far a deadline may be overrun, and how late the death of a runner may be noticed that is not our child.
const TICK: Duration = Duration::from_secs(1);
/// A runner that is not heard for so long is lost.
const SILENCE: Duration = Duration::from_secs(60);
/// The name of the lease under which one controller sweeps for all, and how long another waits when it dies.
const LEASE: &str = "reaper";
const LEASE_SPAN: Duration = Duration::from_secs(5);
/// How long one look may take before the next is due anyway.
const PASS: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
enum ReapError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Launcher(#[from] LaunchError),
}

/// Sweeps every second, and looks for the dead as soon as the launcher hints at one, until `stop`.
pub async fn run(core: Core, stop: CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let holder = Uuid::new_v4().to_string();
    loop {
        let sweeps = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = core.launcher.changed() => false,
            _ = tick.tick() => true,
        };
        let pass = async {
            if sweeps && core.system.lead(LEASE, &holder, LEASE_SPAN).await? {
                sweep(&core).await?;
            }
            reconcile(&core).await
        };
        match timeout(PASS, pass).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(error = &error as &dyn std::error::Error, "the reaper could not finish its round"),
            Err(_) => warn!("the reaper's round took too long"),
        }
    }
    // Another controller goes on at once; without this, when the lease runs out.
    if let Ok(Err(error)) = timeout(LEASE_SPAN, core.system.resign(LEASE, &holder)).await {
        debug!(%error, "the reaper's lease was not given up");
    }
}

/// Ends whose time is over, and forgets what is old.
pub(crate) async fn sweep(core: &Core) -> Result<Swept, StoreError> {
    let swept = core.system.sweep(core.settings.keep_ended, SILENCE).await?;
    for (uid, end) in &swept.ended {
        counter!("podling_sessions_reaped_total", "reason" => end.reason.as_str()).increment(1);
        info!(session.id = %uid, reason = %end.reason, "session {uid} was ended: {}", end.detail);
    }
    for session in &swept.pruned {
        if let Err(error) = core.logs.remove(&session.owner.tenant, session.uid).await {
            let uid = session.uid;
            warn!(session.id = %uid, %error, "the log of session {uid} could not be removed");
        }
    }
    Ok(swept)
}

/// What the two lists say when they are laid beside each other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Differences {
    /// Held, and its runner is dead.
    dead: Vec<Incarnation>,
    /// Held and launched, and the launcher has nothing of it.
    missing: Vec<Incarnation>,
    /// The launcher has it and it was not held; right for a session that was created since, and for the pool.
    strays: Vec<Launched>,
}

/// `held` must have been read before `listed`: what is held and was launched then is listed, if it is there at all. A
/// launch that was under way looks dead, or is not there yet, and nothing follows from that.
fn compare(held: &[Held], listed: Vec<Launched>) -> Differences {
    let mut differences = Differences::default();
    let mut unseen: HashMap<&LaunchName, &Held> = held.iter().map(|held| (&held.launch, held)).collect();
    for launched in listed {
        match unseen.remove(&launched.name) {
            None => differences.strays.push(launched),
            Some(held) if held.launched && launched.state != LaunchState::Alive => differences.dead.push(held.life),
            Some(_) => {}
        }
    }
    let missing = held.iter().filter(|held| held.launched && unseen.contains_key(&held.launch));
    differences.missing.extend(missing.map(|held| held.life));
    differences
}

async fn reconcile(core: &Core) -> Result<(), ReapError> {
    let held = core.system.held().await?;
    let listed = core.launcher.list().await?;
    count(held.len(), &listed);
    let differences = compare(&held, listed);
    for life in differences.dead {
        lose(core, life).await?;
    }
    for life in differences.missing {
        lose(core, life).await?;
    }
    for stray in differences.strays {
        clear(core, &stray).await?;
    }
    Ok(())
}

/// Ends a session whose runner is confirmed to be dead: as its log says, or as lost.
async fn lose(core: &Core, life: Incarnation) -> Result<(), ReapError> {
    // Pending: the launch died before it was recorded and is made again. Ended: the work loop is on it.
    let Some(session) = core.system.find(life.uid).await? else { return Ok(()) };
    if session.life() != life || !matches!(session.phase, Phase::Starting { .. } | Phase::Running) {
        return Ok(());
    }
    if revive(core, &session).await? {
        return Ok(());
    }
    let recorded = core.logs.settle(core, life).await.unwrap_or_else(|error| {
        warn!(session.id = %life.uid, %error, "the log of session {} could not be settled", life.uid);
        None
    });
    let end = recorded.unwrap_or_else(|| End::because(EndReason::RunnerLost));
    if core.system.end(life, &end).await? {
        counter!("podling_runners_lost_total", "reason" => end.reason.as_str()).increment(1);
        warn!(session.id = %life.uid, reason = %end.reason, "the runner of session {} died", life.uid);
    }
    Ok(())
}

/// A warm runner that died between its claim and its assignment has begun nothing: the session is launched anew, and
/// nobody hears of it. A runner that was launched for its session is lost with it, or a fault would repeat for ever.
async fn revive(core: &Core, session: &Session) -> Result<bool, ReapError> {
    let life = session.life();
    if session.phase != (Phase::Starting { stage: Stage::Scheduling }) {
        return Ok(false);
    }
    let Some(runner) = core.system.runner_of(life).await?.filter(|row| row.launch.slot().is_some()) else {
        return Ok(false);
    };
    if core.launcher.was_assigned(&runner.launch).await? || !core.system.forsake(life, runner.id).await? {
        return Ok(false);
    }
    counter!("podling_warm_runners_lost_total").increment(1);
    warn!(session.id = %life.uid, "the warm runner of session {} died before it began; another is launched", life.uid);
    Ok(true)
}

/// Stops and removes what neither a session nor the pool holds.
async fn clear(core: &Core, stray: &Launched) -> Result<(), ReapError> {
    // Some were created, or claimed, after the held ones were read.
    let wanted = match core.system.runner_at(&stray.name).await? {
        Some(RunnerRow { life: None, .. }) => true,
        Some(RunnerRow { life: Some(life), .. }) => is_held(core, life).await?,
        None => match stray.name.incarnation() {
            Some(life) => is_held(core, life).await?,
            None => false,
        },
    };
    if wanted {
        return Ok(());
    }
    match stray.state {
        LaunchState::Alive => core.launcher.stop(&stray.name, core.settings.grace + SETTLE).await?,
        LaunchState::Dead { .. } => _ = core.launcher.remove(&stray.name).await?,
    }
    if stray.name.slot().is_some() {
        debug!(launch.name = %stray.name, "warm runner {} is not in the pool any more", stray.name);
        return Ok(());
    }
    counter!("podling_strays_cleared_total").increment(1);
    warn!(launch.name = %stray.name, "runner {} belongs to no session that is held", stray.name);
    Ok(())
}

async fn is_held(core: &Core, life: Incarnation) -> Result<bool, StoreError> {
    let session = core.system.find(life.uid).await?;
    Ok(session.is_some_and(|session| session.life() == life && session.release == Release::Held))
}

fn count(held: usize, listed: &[Launched]) {
    let mut states = HashMap::from([("alive", 0_u32), ("dead", 0)]);
    for launched in listed {
        let state = if launched.state == LaunchState::Alive { "alive" } else { "dead" };
        *states.entry(state).or_default() += 1;
    }
    for (state, number) in states {
        gauge!("podling_runners", "state" => state).set(number);
    }
    gauge!("podling_sessions_held").set(u32::try_from(held).unwrap_or(u32::MAX));
}

#[cfg(test)]
mod tests {
    use podling_session::id::{Slot, Uid};

    use super::*;

    #[test]
    fn the_two_lists_differ_by_the_dead_the_missing_and_the_strays() {
        let life = || Incarnation { uid: Uid::new(), number: 1 };
        let (alive, dead, missing, stray, warm) = (life(), life(), life(), life(), life());
        let (begun, pending, slot) = (life(), life(), Slot::new().launch_name());
        let launched = |life: Incarnation, state| Launched { name: life.launch_name(), state };
        let earlier = launched(Incarnation { number: 2, ..alive }, LaunchState::Alive);
        let listed = vec![
            Launched { name: slot.clone(), state: LaunchState::Alive },
            launched(alive, LaunchState::Alive),
            launched(dead, LaunchState::Dead { exit_code: Some(0) }),
            launched(begun, LaunchState::Dead { exit_code: None }),
            launched(stray, LaunchState::Alive),
            earlier.clone(),
        ];
        let expected = Differences {
            dead: vec![dead],
            missing: vec![missing],
            strays: vec![launched(stray, LaunchState::Alive), earlier],
        };
        let held = |life: Incarnation, launched| Held { life, launch: life.launch_name(), launched };
        let cold = [held(alive, true), held(dead, true), held(missing, true)];
        let under_way = [held(begun, false), held(pending, false)];
        let held = [&cold[..], &under_way, &[Held { life: warm, launch: slot, launched: true }]].concat();
        assert_eq!(compare(&held, listed), expected);
    }
}
