//! The store's clock between two looks at it.
//!
//! Grants and the clock that runners count in come from whichever controller has the call. They are of the store's time, as
//! deadlines and tokens are, so that it does not matter what the clocks of the controllers' machines say.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use podling_session::store::{StoreError, SystemStore};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::core::Core;

/// How often the store is asked; between, the machine counts the seconds and does not look at what time it is.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct StoreClock(Mutex<Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    time: Timestamp,
    at: Instant,
}

impl From<Timestamp> for StoreClock {
    /// That is the store's time now.
    fn from(time: Timestamp) -> StoreClock {
        StoreClock(Mutex::new(Seen { time, at: Instant::now() }))
    }
}

impl StoreClock {
    /// # Errors
    /// When the store does not answer.
    pub async fn of(store: &dyn SystemStore) -> Result<StoreClock, StoreError> {
        Ok(store.ping().await?.into())
    }

    pub fn now(&self) -> Timestamp {
        let Seen { time, at } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        time.checked_add(at.elapsed()).unwrap_or(time)
    }

    fn set(&self, time: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Seen { time, at: Instant::now() };
    }
}

/// Looks at the store's clock now and then, until `stop`.
pub async fn run(core: Core, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match core.system.ping().await {
            Ok(time) => core.clock.set(time),
            Err(error) => debug!(%error, "the store's clock could not be looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_stores_and_goes_on() {
        let far = Timestamp::from_second(1_000).expect("a small second");
        let clock = StoreClock::from(far);
        let (first, second) = (clock.now(), clock.now());
        assert!(far <= first && first <= second && second.duration_since(far).as_secs() < 60);
        clock.set(Timestamp::from_second(500).expect("a small second"));
        assert!(clock.now() < far);
    }
}
