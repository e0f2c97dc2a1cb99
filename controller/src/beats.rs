//! The heartbeats of this controller's runners, on their way into the store: all of them in one write a second.
//!
//! Nobody waits for the write: a runner whose session is over hears of it with a later heartbeat.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use podling_session::{
    id::Incarnation,
    store::{Beat, StoreError},
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::core::Core;

const TICK: Duration = Duration::from_secs(1);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(5);
/// Runners of one controller: more than a machine has connections for. The heartbeats of more are dropped.
const MOST: usize = 100_000;
/// How long it is remembered that an incarnation is over: its runner asks every few seconds.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The newest heartbeat of each runner, until it is written.
#[derive(Default)]
pub struct Beats {
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    told: HashMap<Incarnation, Told>,
    over: HashMap<Incarnation, Instant>,
}

#[derive(Clone, Copy)]
struct Told {
    beat: Beat,
    at: Instant,
}

impl Told {
    /// The session has been idle since, too.
    fn now(self, now: Instant) -> Beat {
        Beat { idle_for: self.beat.idle_for + now.duration_since(self.at), ..self.beat }
    }
}

impl Board {
    fn tell(&mut self, life: Incarnation, told: Told) {
        if self.told.len() < MOST || self.told.contains_key(&life) {
            self.told.insert(life, told);
        }
    }

    /// Newer ones than those that could not be written stay.
    fn put_back(&mut self, unwritten: HashMap<Incarnation, Told>) {
        for (life, told) in unwritten {
            self.told.entry(life).or_insert(told);
        }
    }

    fn end(&mut self, lives: Vec<Incarnation>, now: Instant) {
        self.over.retain(|_, since| now.duration_since(*since) < REMEMBERED);
        self.over.extend(lives.into_iter().map(|life| (life, now)));
    }
}

impl Beats {
    /// `false` when the store has said that the runner's incarnation is over.
    pub(crate) fn tell(&self, life: Incarnation, beat: Beat) -> bool {
        let mut board = self.lock();
        board.tell(life, Told { beat, at: Instant::now() });
        !board.over.contains_key(&life)
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes every second until `stop`, and then what is left.
pub async fn run(core: Core, stop: CancellationToken) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        write(&core).await;
    }
    write(&core).await;
}

async fn write(core: &Core) {
    let told = std::mem::take(&mut core.beats.lock().told);
    if told.is_empty() {
        return;
    }
    let now = Instant::now();
    let beats: Vec<_> = told.iter().map(|(life, told)| (*life, told.now(now))).collect();
    match timeout(WRITE, core.system.beats(&beats)).await {
        Ok(Ok(over)) => core.beats.lock().end(over, now),
        // A store that is down ends no session: the runners hear from us, and go on.
        Ok(Err(error)) => keep(core, told, &error),
        Err(_) => keep(core, told, &StoreError::Corrupt("no answer in time".to_owned())),
    }
}

fn keep(core: &Core, told: HashMap<Incarnation, Told>, error: &StoreError) {
    warn!(error = error as &dyn std::error::Error, "{} heartbeats are not stored yet", told.len());
    core.beats.lock().put_back(told);
}

#[cfg(test)]
mod tests {
    use podling_session::id::Uid;

    use super::*;

    fn told(at: Instant, log_end: u64) -> Told {
        Told { beat: Beat { idle_for: Duration::from_secs(2), viewers: 1, log_end }, at }
    }

    #[test]
    fn a_beat_that_waited_was_idle_for_longer() {
        let at = Instant::now();
        let beat = told(at, 7).now(at + Duration::from_secs(3));
        assert_eq!((beat.idle_for, beat.log_end), (Duration::from_secs(5), 7));
    }

    #[test]
    fn what_could_not_be_written_gives_way_to_what_came_since() {
        let (life, other) = (Incarnation { uid: Uid::new(), number: 1 }, Incarnation { uid: Uid::new(), number: 1 });
        let (now, mut board) = (Instant::now(), Board::default());
        board.tell(life, told(now, 2));
        board.put_back(HashMap::from([(life, told(now, 1)), (other, told(now, 1))]));
        assert_eq!((board.told[&life].beat.log_end, board.told[&other].beat.log_end), (2, 1));
    }

    #[test]
    fn an_end_is_remembered_for_a_minute() {
        let (now, mut board) = (Instant::now(), Board::default());
        board.end(vec![Incarnation { uid: Uid::new(), number: 1 }], now);
        board.end(Vec::new(), now + REMEMBERED / 2);
        assert_eq!(board.over.len(), 1);
        board.end(Vec::new(), now + REMEMBERED);
        assert!(board.over.is_empty());
    }
}
