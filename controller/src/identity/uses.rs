//! When keys were last used, on the way into the store: at most one write a minute for each, which no request waits for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use podling_session::store::PrincipalStore;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::core::Core;

const TICK: Duration = Duration::from_secs(5);
/// How exact the time is.
const EXACT: Duration = Duration::from_secs(60);
/// Keys that are remembered; uses of more are not noted until these have been written.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Uses {
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    due: HashSet<String>,
    written: HashMap<String, Instant>,
}

impl Board {
    fn note(&mut self, id: &str, now: Instant) {
        let fresh = self.written.get(id).is_some_and(|at| now.duration_since(*at) < EXACT);
        if !fresh && self.due.len() < MOST {
            self.due.insert(id.to_owned());
        }
    }

    /// What is to be written now.
    fn take(&mut self, now: Instant) -> Vec<String> {
        self.written.retain(|_, at| now.duration_since(*at) < EXACT);
        let due: Vec<_> = self.due.drain().collect();
        self.written.extend(due.iter().map(|id| (id.clone(), now)));
        due
    }
}

impl Uses {
    pub(super) fn note(&self, id: &str) {
        self.lock().note(id, Instant::now());
    }

    async fn write(&self, keys: &dyn PrincipalStore) {
        let due = self.lock().take(Instant::now());
        if due.is_empty() {
            return;
        }
        if let Err(error) = keys.keys_used(&due).await {
            debug!(%error, "the last use of {} keys could not be noted", due.len());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until `stop`, and then what is left.
pub(super) async fn run(core: &Core, stop: &CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        core.identity.uses.write(core.principals.as_ref()).await;
    }
    core.identity.uses.write(core.principals.as_ref()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_a_key_is_written_once_a_minute() {
        let (mut board, start) = (Board::default(), Instant::now());
        let mut writes = 0;
        for second in 0..180 {
            let now = start + Duration::from_secs(second);
            board.note("a", now);
            writes += board.take(now).len();
        }
        assert_eq!(writes, 3);
    }
}
