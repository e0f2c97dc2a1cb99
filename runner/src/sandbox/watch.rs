//! Watching what the kernel does not stop by itself: memory that ran out, and a disk that fills up.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use podling_session::spec::Limits;
use tracing::warn;

use super::{SandboxError, cgroup::Cgroup, disk::Disk, held::held_bytes, setup};

const MEMORY_EVERY: Duration = Duration::from_millis(250);
const DISK_EVERY: Duration = Duration::from_secs(1);
/// How long a sandbox in which nothing happens is not looked at; a thousand of them are to cost nothing.
const QUIET: Duration = Duration::from_secs(30);
/// How soon it is seen that something happens again.
const WAKE: Duration = Duration::from_secs(1);
/// A tree that takes long to look at is looked at less often, so that this share of one processor is the most that a
/// command makes the runner spend on it.
const DISK_DUTY: u32 = 3;
/// So many looks in a row that fail count as a full disk: a command that could keep us from looking would have no limit.
const MAX_BLIND: u32 = 10;

/// A limit that was passed, after which nothing of the sandbox goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The kernel killed a process of it for want of memory.
    Oom,
    /// It holds as much as, or more than, its disk limit.
    DiskFull,
}

/// What it takes to look; shared with the blocking threads that do.
#[derive(Debug)]
pub(super) struct Watch {
    pub cgroup: Option<Cgroup>,
    pub disk: Disk,
    /// In force now.
    pub limits: Mutex<Limits>,
    /// Looks at the disk that failed since the last one that did not.
    pub blind: AtomicU32,
}

impl Watch {
    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back the control group before anything has run in it.
    pub(super) fn discard(&self) -> Result<(), SandboxError> {
        self.cgroup.as_ref().map_or(Ok(()), Cgroup::remove).map_err(setup("removing the control group"))
    }

    pub(super) fn memory(&self) -> Option<Breach> {
        let kills = self.cgroup.as_ref().map(Cgroup::oom_kills)?;
        // A counter that cannot be read is not a kill; the group is gone, or about to.
        (kills.unwrap_or(0) > 0).then_some(Breach::Oom)
    }

    pub(super) fn disk(&self) -> Option<Breach> {
        let full = match self.used_bytes() {
            Ok(used) => {
                self.blind.store(0, Ordering::Relaxed);
                used >= self.limits().disk_bytes
            }
            Err(error) => {
                warn!(%error, "the size of the sandbox's disk cannot be told: {error}");
                self.blind.fetch_add(1, Ordering::Relaxed) + 1 >= MAX_BLIND
            }
        };
        full.then_some(Breach::DiskFull)
    }

    fn processor_time(&self) -> Option<u64> {
        self.cgroup.as_ref()?.processor_time()
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let held = match &self.cgroup {
            Some(cgroup) => held_bytes(&cgroup.processes()?, &self.disk.root)?,
            None => 0,
        };
        Ok(self.disk.used_bytes()?.saturating_add(held))
    }
}

/// Looks again and again; returns the first breach. Cancel safe.
pub(super) async fn breach(watch: &Arc<Watch>) -> Breach {
    tokio::select! {
        breach = repeat(watch, Watch::memory, MEMORY_EVERY) => breach,
        breach = repeat(watch, Watch::disk, DISK_EVERY) => breach,
    }
}

async fn repeat(watch: &Arc<Watch>, look: fn(&Watch) -> Option<Breach>, every: Duration) -> Breach {
    let mut seen = Seen::default();
    loop {
        if !seen.is_news(watch.processor_time(), Instant::now()) {
            tokio::time::sleep(every.max(WAKE)).await;
            continue;
        }
        let started = Instant::now();
        let watch = watch.clone();
        let looked: io::Result<_> = tokio::task::spawn_blocking(move || look(&watch)).await.map_err(io::Error::other);
        if let Ok(Some(breach)) = looked {
            return breach;
        }
        tokio::time::sleep(every.max(started.elapsed() * DISK_DUTY)).await;
    }
}

/// When the last look was, and how much had happened by then.
#[derive(Default)]
struct Seen(Option<(Instant, u64)>);

impl Seen {
    /// Whether there is a reason to look: something has happened, nobody can tell, or the last look was long ago.
    fn is_news(&mut self, happened: Option<u64>, now: Instant) -> bool {
        let same = self.0.is_some_and(|(at, then)| Some(then) == happened && now < at + QUIET);
        if !same {
            self.0 = happened.map(|happened| (now, happened));
        }
        !same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_in_which_nothing_happens_is_left_alone_for_half_a_minute() {
        let (mut seen, begin) = (Seen::default(), Instant::now());
        let mut check = |second: u64, happened, expected: bool| {
            let now = begin + Duration::from_secs(second);
            assert_eq!(seen.is_news(happened, now), expected, "{happened:?} at {second}");
        };
        check(0, Some(5), true);
        check(1, Some(5), false);
        check(2, Some(6), true);
        check(31, Some(6), false);
        check(32, Some(6), true);
        check(33, None, true);
        check(34, None, true);
    }

    #[test]
    fn a_disk_that_cannot_be_looked_at_counts_as_full_before_long() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let disk = Disk::at(dir.path());
        let limits = Mutex::new(Limits { disk_bytes: 1 << 20, ..Limits::default() });
        let watch = Watch { cgroup: None, disk: disk.clone(), limits, blind: AtomicU32::new(0) };
        let looks = |count| (0..count).map(|_| watch.disk()).collect::<Vec<_>>();
        assert!(looks(MAX_BLIND - 1).iter().all(Option::is_none));
        disk.create().expect("ours");
        assert_eq!(watch.disk(), None);
        std::fs::remove_dir_all(&disk.root).expect("ours");
        assert!(looks(MAX_BLIND - 1).iter().all(Option::is_none), "one good look starts the count anew");
        assert_eq!(watch.disk(), Some(Breach::DiskFull));
    }
}
