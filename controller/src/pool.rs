//! Warm runners: launched before there is a session for them, so that a create need not wait for a launch.
//!
//! Each has a slot of its own, which gives it its launch name, id and secret, and a row without a session in the store.
//! A create claims it there by one compare-and-set (`SessionStore::create`); from then on it is that session's, and
//! nobody's before. Whoever dies unclaimed is replaced; what a retired runner leaves is a stray, the reaper's to clear.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use metrics::gauge;
use podling_session::{
    id::{LaunchName, Slot},
    launch::{LaunchError, LaunchState},
    spec::Limits,
    store::{StoreError, Waiting},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    core::Core,
    work::{SETTLE, described},
};

/// How often the runners are looked at whether they live.
const POLL: Duration = Duration::from_secs(1);
/// How long after a claim the next launch waits: the session that was just created starts first, and a launch costs
/// more processor time than the start of a command in a warm runner does.
const REST: Duration = Duration::from_millis(150);
/// How long after a runner died unclaimed the next is launched: what killed it may do so again.
const RETRY: Duration = Duration::from_secs(5);
/// How long a runner may take to register.
const REGISTER: Duration = Duration::from_secs(30);
/// How long one look and its launches may take.
const STEP: Duration = Duration::from_secs(20);
/// How often a drain looks whether the runners are gone.
const DRAIN_POLL: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Launcher(#[from] LaunchError),
}

pub struct Pool {
    core: Core,
    /// Held while the pool is looked at and filled.
    turn: Mutex<()>,
    closed: CancellationToken,
}

/// How much a look takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Whether a place is free.
    Places,
    /// Also whether the runners live.
    Runners,
}

impl Pool {
    /// Retires what an earlier controller left: its runners were started with other settings, and perhaps by another
    /// build. Those of one of several are left to its end (see `keep`).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn start(core: Core) -> Result<Arc<Pool>, StoreError> {
        if core.settings.alone {
            for waiting in core.system.waiting().await? {
                core.system.retire(waiting.id).await?;
            }
        }
        Ok(Arc::new(Pool { core, turn: Mutex::default(), closed: CancellationToken::new() }))
    }

    /// Keeps the pool filled until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut look, mut looked) = (Look::Runners, Instant::now());
        loop {
            let changed = self.core.system.changed(); // Before the look: a change in between is not lost.
            let rest = match timeout(STEP, self.keep(look)).await {
                Ok(Ok(rest)) => rest,
                Ok(Err(error)) => {
                    warn!(error = &error as &dyn std::error::Error, "the pool of warm runners could not be filled");
                    RETRY
                }
                Err(_) => {
                    warn!("filling the pool of warm runners took too long");
                    RETRY
                }
            };
            let next = async {
                sleep(rest).await;
                tokio::select! {
                    () = changed => sleep(REST).await,
                    () = sleep(POLL) => {}
                }
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
            look = if looked.elapsed() >= POLL { Look::Runners } else { Look::Places };
            if look == Look::Runners {
                looked = Instant::now();
            }
        }
    }

    /// Retires who died and who is too many, and launches who is missing. How long to rest before the next look.
    async fn keep(&self, look: Look) -> Result<Duration, PoolError> {
        let _turn = self.turn.lock().await;
        let size = self.core.settings.warm_runners;
        let waiting = self.core.system.waiting().await?;
        let waiting = self.own(waiting);
        if self.closed.is_cancelled() || (look == Look::Places && waiting.own.len() == size) {
            return Ok(Duration::ZERO);
        }
        let listed = self.core.launcher.list().await?;
        let states: HashMap<_, _> = listed.into_iter().map(|launched| (launched.name, launched.state)).collect();
        for left in waiting.others.iter().filter(|waiting| is_left_behind(waiting, &states)) {
            self.retire(left).await?;
        }
        let (kept, lost): (Vec<_>, Vec<_>) = waiting.own.into_iter().partition(|waiting| is_sound(waiting, &states));
        for lost in &lost {
            if self.retire(lost).await? {
                warn!(launch.name = %lost.launch, "warm runner {} died before anybody claimed it", lost.launch);
            }
        }
        for surplus in kept.iter().skip(size) {
            self.retire(surplus).await?;
        }
        gauge!("podling_warm_runners").set(u32::try_from(kept.len().min(size)).unwrap_or(u32::MAX));
        if !lost.is_empty() {
            return Ok(RETRY);
        }
        for _ in kept.len()..size {
            self.launch().await?;
        }
        Ok(Duration::ZERO)
    }

    /// Which of the pool's runners are this controller's own: all, when there is no other. The turn is the caller's.
    fn own(&self, waiting: Vec<Waiting>) -> Places {
        self.core.orders.keep_own(&waiting.iter().map(|waiting| waiting.id).collect());
        let is_own = |waiting: &Waiting| self.core.settings.alone || self.core.orders.is_own(waiting.id);
        let (own, others) = waiting.into_iter().partition(is_own);
        Places { own, others }
    }

    /// The row comes first: a runner without one would be a stray.
    async fn launch(&self) -> Result<(), PoolError> {
        let launch = described(&self.core, Slot::new().launch_name(), Limits::default());
        self.core.orders.expect(launch.runner);
        self.core.system.pool(launch.runner, &launch.name).await?;
        if let Err(error) = self.core.launcher.launch(&launch).await {
            self.core.system.retire(launch.runner).await?;
            return Err(error.into());
        }
        info!(launch.name = %launch.name, "warm runner {} was launched", launch.name);
        Ok(())
    }

    /// `false` when it was claimed first.
    async fn retire(&self, waiting: &Waiting) -> Result<bool, PoolError> {
        let retired = self.core.system.retire(waiting.id).await?;
        if retired {
            self.core.launcher.stop(&waiting.launch, SETTLE).await?;
        }
        Ok(retired)
    }

    /// Fills the pool no more, and returns when nothing is left of its own runners that nobody claimed.
    ///
    /// # Errors
    /// When store or launcher fails.
    pub async fn drain(&self) -> anyhow::Result<()> {
        self.closed.cancel();
        let _turn = self.turn.lock().await;
        let waiting = self.own(self.core.system.waiting().await?).own;
        for waiting in &waiting {
            self.retire(waiting).await?;
        }
        let own: HashSet<_> = waiting.into_iter().map(|waiting| waiting.launch).collect();
        while !self.is_cleared(&own).await? {
            sleep(DRAIN_POLL).await;
        }
        Ok(())
    }

    /// Clears what is left of retired runners, when other controllers have some of these alone; whether that was nothing.
    async fn is_cleared(&self, own: &HashSet<LaunchName>) -> Result<bool, PoolError> {
        let mut cleared = true;
        for launched in self.core.launcher.list().await? {
            let is_ours = launched.name.slot().is_some() && (self.core.settings.alone || own.contains(&launched.name));
            if !is_ours || self.core.system.runner_at(&launched.name).await?.is_some() {
                continue;
            }
            cleared = false;
            if launched.state == LaunchState::Alive {
                self.core.launcher.stop(&launched.name, SETTLE).await?;
            } else {
                self.core.launcher.remove(&launched.name).await?;
            }
        }
        Ok(cleared)
    }
}

/// The runners of the pool, this controller's and those of others.
struct Places {
    own: Vec<Waiting>,
    others: Vec<Waiting>,
}

/// Whether a runner of another controller is dead, or never came on anybody's line, and nobody has seen to it. One that
/// lives and has lost its controller connects to another, which retires it.
fn is_left_behind(waiting: &Waiting, states: &HashMap<LaunchName, LaunchState>) -> bool {
    waiting.age >= REGISTER * 2 && !is_sound(waiting, states)
}

/// Whether a runner of the pool lives and is, or may still come, on the line.
fn is_sound(waiting: &Waiting, states: &HashMap<LaunchName, LaunchState>) -> bool {
    let alive = states.get(&waiting.launch) == Some(&LaunchState::Alive);
    alive && (waiting.registered || waiting.age < REGISTER)
}

#[cfg(test)]
mod tests {
    use podling_session::id::RunnerId;

    use super::*;

    #[test]
    fn a_warm_runner_is_kept_while_it_lives_and_registers_in_time() {
        let launch = Slot::new().launch_name();
        let check = |state: Option<LaunchState>, registered: bool, age: Duration, sound: bool| {
            let states = state.clone().into_iter().map(|state| (launch.clone(), state)).collect();
            let waiting = Waiting { id: RunnerId::from_mac([1; 16]), launch: launch.clone(), age, registered };
            assert_eq!(is_sound(&waiting, &states), sound, "{state:?} {registered} {age:?}");
        };
        check(Some(LaunchState::Alive), false, Duration::ZERO, true);
        check(Some(LaunchState::Alive), false, REGISTER, false);
        check(Some(LaunchState::Alive), true, REGISTER, true);
        check(Some(LaunchState::Dead { exit_code: None }), true, Duration::ZERO, false);
        check(None, true, Duration::ZERO, false);
    }

    #[test]
    fn what_another_controller_left_is_seen_to_once_it_had_its_time() {
        let launch = Slot::new().launch_name();
        let check = |alive: bool, registered: bool, age: Duration, left: bool| {
            let state = alive.then_some((launch.clone(), LaunchState::Alive));
            let waiting = Waiting { id: RunnerId::from_mac([1; 16]), launch: launch.clone(), age, registered };
            assert_eq!(is_left_behind(&waiting, &state.into_iter().collect()), left, "{alive} {registered} {age:?}");
        };
        check(false, false, REGISTER, false); // Its controller may be about to launch it.
        check(false, false, REGISTER * 2, true);
        check(true, false, REGISTER * 2, true);
        check(true, true, REGISTER * 2, false);
        check(false, true, REGISTER * 2, true);
    }
}
