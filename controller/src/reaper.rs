//! Enforces deadlines, and makes what the launcher holds and what the store holds the same.
//!
//! The store decides about deadlines and silence, in its own clock. The launcher tells which runners are dead and which
//! nobody holds any more. What is left of a session that has ended is the work loop's.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use metrics::{counter, gauge};
use podling_session::{
    id::Incarnation,
    launch::{LaunchError, LaunchState, Launched},
    phase::{End, EndReason, Phase},
    session::{Release, Session},
    store::StoreError,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{core::Core, work::SETTLE};

/// How far a deadline may be overrun, and how late the death of a runner may be noticed that is not our child.
const TICK: Duration = Duration::from_secs(1);
/// A runner that is not heard for so long is lost.
const SILENCE: Duration = Duration::from_secs(60);
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
    loop {
        let sweeps = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = core.launcher.changed() => false,
            _ = tick.tick() => true,
        };
        let pass = async {
            if sweeps {
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
}

async fn sweep(core: &Core) -> Result<(), ReapError> {
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
    Ok(())
}

/// What the two lists say when they are laid beside each other.
#[derive(Debug, Default, PartialEq, Eq)]
struct Differences {
    /// Held, and its runner is dead.
    dead: Vec<Incarnation>,
    /// Held, and the launcher has nothing of it; right for a session that was not launched yet.
    missing: Vec<Incarnation>,
    /// The launcher has it and it was not held; right for a session that was created since.
    strays: Vec<Launched>,
}

/// `held` must have been read before `listed`: what is held and was launched then is listed, if it is there at all.
fn compare(held: &[Incarnation], listed: Vec<Launched>) -> Differences {
    let mut differences = Differences::default();
    let mut unseen: HashSet<Incarnation> = held.iter().copied().collect();
    for launched in listed {
        match launched.name.incarnation().filter(|life| unseen.remove(life)) {
            None => differences.strays.push(launched),
            Some(life) if launched.state != LaunchState::Alive => differences.dead.push(life),
            Some(_) => {}
        }
    }
    differences.missing.extend(held.iter().filter(|life| unseen.contains(life)));
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
        if core.system.runner_of(life).await?.is_some() {
            lose(core, life).await?;
        }
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

/// Stops and removes what no session holds.
async fn clear(core: &Core, stray: &Launched) -> Result<(), ReapError> {
    let session = match stray.name.incarnation() {
        Some(life) => core.system.find(life.uid).await?.filter(|session| session.life() == life),
        None => None,
    };
    if session.is_some_and(|session| is_held(&session)) {
        return Ok(()); // Created after the held ones were read.
    }
    match stray.state {
        LaunchState::Alive => core.launcher.stop(&stray.name, core.settings.grace + SETTLE).await?,
        LaunchState::Dead { .. } => _ = core.launcher.remove(&stray.name).await?,
    }
    counter!("podling_strays_cleared_total").increment(1);
    warn!(launch.name = %stray.name, "runner {} belongs to no session that is held", stray.name);
    Ok(())
}

fn is_held(session: &Session) -> bool {
    session.release == Release::Held
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
    use podling_session::id::Uid;

    use super::*;

    #[test]
    fn the_two_lists_differ_by_the_dead_the_missing_and_the_strays() {
        let life = || Incarnation { uid: Uid::new(), number: 1 };
        let (alive, dead, missing, stray) = (life(), life(), life(), life());
        let launched = |life: Incarnation, state| Launched { name: life.launch_name(), state };
        let earlier = launched(Incarnation { number: 2, ..alive }, LaunchState::Alive);
        let listed = vec![
            launched(alive, LaunchState::Alive),
            launched(dead, LaunchState::Dead { exit_code: Some(0) }),
            launched(stray, LaunchState::Alive),
            earlier.clone(),
        ];
        let expected = Differences {
            dead: vec![dead],
            missing: vec![missing],
            strays: vec![launched(stray, LaunchState::Alive), earlier],
        };
        assert_eq!(compare(&[alive, dead, missing], listed), expected);
    }
}
