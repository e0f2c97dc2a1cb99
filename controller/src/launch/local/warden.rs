//! Watches local runners: notices their deaths, and kills those that do not stop within their grace.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use podling_session::{
    id::LaunchName,
    launch::{LaunchState, Launched},
};
use rustix::process::Signal;
use tokio::{process::Child, sync::Notify, time::Instant};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{info, warn};

use super::dir::{RunnerDir, names};

/// How often the locks of runners are probed that are not our children: their deaths wake nobody.
const POLL: Duration = Duration::from_secs(1);
/// How soon a signal that could not be sent, because the runner has not come to write down who it is, is tried again.
const SIGNAL_RETRY: Duration = Duration::from_millis(20);

pub(super) struct Warden {
    watch: Arc<Watch>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// A launcher that is dropped takes its tasks with it.
    _stop_at_drop: DropGuard,
}

struct Watch {
    runners: PathBuf,
    known: Mutex<Known>,
    /// A runner died. One permit: only one caller waits for it.
    died: Notify,
    /// There is a new runner to stop.
    stopping: Notify,
}

#[derive(Default)]
struct Known {
    /// Exit codes of our own children.
    exits: HashMap<LaunchName, i32>,
    /// Who was alive when last looked at.
    alive: HashSet<LaunchName>,
    stops: HashMap<LaunchName, Stop>,
}

/// A stop under way.
#[derive(Clone, Copy, Debug)]
struct Stop {
    asked: bool,
    kill_at: Instant,
}

impl Warden {
    pub(super) fn start(runners: PathBuf) -> Arc<Warden> {
        let stop = CancellationToken::new();
        let watch = Watch { runners, known: Mutex::default(), died: Notify::new(), stopping: Notify::new() };
        let (watch, tasks) = (Arc::new(watch), TaskTracker::new());
        tasks.spawn(watch.clone().run(stop.clone()));
        Arc::new(Warden { watch, tasks, _stop_at_drop: stop.clone().drop_guard(), stop })
    }

    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits for the end of a child of ours.
    pub(super) fn adopt(&self, name: LaunchName, mut child: Child) {
        self.watch.known().alive.insert(name.clone());
        let (watch, stop) = (self.watch.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {} // The runtime reaps it.
                ended = child.wait() => {
                    let code = ended.ok().and_then(|status| status.code());
                    info!(launch.name = %name, exit_code = code, "runner {name} ended");
                    let mut known = watch.known();
                    known.exits.extend(code.map(|code| (name.clone(), code)));
                    known.alive.remove(&name);
                    drop(known);
                    watch.died.notify_one();
                }
            }
        });
    }

    /// Asks the runner to end, now, and makes it after `grace`, or earlier when that was said before.
    pub(super) fn stop(&self, name: &LaunchName, grace: Duration) {
        let kill_at = Instant::now() + grace;
        let mut known = self.watch.known();
        let stop = known.stops.entry(name.clone()).or_insert(Stop { asked: false, kill_at });
        stop.kill_at = stop.kill_at.min(kill_at);
        drop(known);
        self.watch.stopping.notify_one();
    }

    /// Nothing is left of the runner.
    pub(super) fn forget(&self, name: &LaunchName) {
        let mut known = self.watch.known();
        known.exits.remove(name);
        known.alive.remove(name);
        known.stops.remove(name);
    }

    #[cfg(test)]
    pub(super) fn sees(&self, name: &LaunchName) -> bool {
        self.watch.known().alive.contains(name)
    }

    /// Blocking: reads the directories.
    pub(super) fn list(&self) -> io::Result<Vec<Launched>> {
        let states = self.watch.probe()?;
        let known = self.watch.known();
        let state = |name: &LaunchName, alive| match alive {
            true => LaunchState::Alive,
            false => LaunchState::Dead { exit_code: known.exits.get(name).copied() },
        };
        Ok(states.into_iter().map(|(name, alive)| Launched { state: state(&name, alive), name }).collect())
    }

    pub(super) async fn changed(&self) {
        self.watch.died.notified().await;
    }
}

/// All, and those of them that live.
fn split(states: Vec<(LaunchName, bool)>) -> (HashSet<LaunchName>, HashSet<LaunchName>) {
    let alive = states.iter().filter(|(_, alive)| *alive).map(|(name, _)| name.clone()).collect();
    (states.into_iter().map(|(name, _)| name).collect(), alive)
}

impl Watch {
    async fn run(self: Arc<Watch>, stop: CancellationToken) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let next_step = self.next_step();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.stopping.notified() => self.in_thread(Watch::advance_stops).await,
                () = tokio::time::sleep_until(next_step.unwrap_or_else(Instant::now)), if next_step.is_some() => {
                    self.in_thread(Watch::advance_stops).await;
                }
                _ = poll.tick() => self.in_thread(Watch::look).await,
            }
        }
    }

    async fn in_thread(self: &Arc<Watch>, work: impl FnOnce(&Watch) -> io::Result<()> + Send + 'static) {
        let watch = self.clone();
        match tokio::task::spawn_blocking(move || work(&watch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "watching the runners failed"),
            Err(error) => warn!(%error, "watching the runners was cut off"),
        }
    }

    /// When a stop needs its next step: the kill, or the repeat of a signal that nobody could be found for.
    fn next_step(&self) -> Option<Instant> {
        let retry = Instant::now() + SIGNAL_RETRY;
        self.known().stops.values().map(|stop| if stop.asked { stop.kill_at.max(retry) } else { retry }).min()
    }

    /// Which runners there are, and whether they live.
    fn probe(&self) -> io::Result<Vec<(LaunchName, bool)>> {
        let mut states = Vec::new();
        for name in names(&self.runners)? {
            let alive = RunnerDir::new(&self.runners, &name).is_locked()?;
            states.push((name, alive));
        }
        Ok(states)
    }

    fn look(&self) -> io::Result<()> {
        let (listed, alive) = split(self.probe()?);
        let mut known = self.known();
        // Another controller may have removed what is left of a child of ours.
        known.exits.retain(|name, _| listed.contains(name));
        let somebody_died = !known.alive.is_subset(&alive);
        known.alive = alive;
        drop(known);
        if somebody_died {
            self.died.notify_one();
        }
        Ok(())
    }

    fn advance_stops(&self) -> io::Result<()> {
        let stops = self.known().stops.clone();
        for (name, stop) in stops {
            let dir = RunnerDir::new(&self.runners, &name);
            if !dir.is_locked()? {
                self.known().stops.remove(&name);
                continue;
            }
            let kill = Instant::now() >= stop.kill_at;
            if stop.asked && !kill {
                continue;
            }
            let signal = if kill { Signal::KILL } else { Signal::TERM };
            // The lock was held a moment ago and the identity says who holds it: nobody else is signalled.
            let sent = dir.identity().map(|runner| runner.signal(signal)).transpose()?.unwrap_or(false);
            if sent && kill {
                warn!(launch.name = %name, "runner {name} did not stop within its grace and was killed");
            }
            if let Some(stop) = self.known().stops.get_mut(&name) {
                stop.asked |= sent;
                // A process that the kernel is busy for dies later; another kill, later still, does no harm.
                stop.kill_at += if sent && kill { POLL } else { Duration::ZERO };
            }
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner) // Every change to it is one step.
    }
}
