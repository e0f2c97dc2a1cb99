//! How often those who wait for a session look at it.

use std::{ops::RangeInclusive, time::Duration};

use futures_util::future::BoxFuture;
use podling_session::store::SystemStore;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a change may stay unnoticed when its notification is lost.
const POLL: Duration = Duration::from_millis(250);
/// Notifications tell of every session: on a busy store they come faster than one waiter needs them. The first few are
/// most likely of its own.
const SPACING: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(20);

/// Listens for the change before the look that would miss it.
pub(crate) struct Pace<'a> {
    system: &'a dyn SystemStore,
    changed: BoxFuture<'a, ()>,
    looked: Instant,
    spacing: Duration,
}

impl<'a> Pace<'a> {
    /// Made before the first look.
    pub(crate) fn new(system: &'a dyn SystemStore) -> Pace<'a> {
        let spacing = *SPACING.start();
        Pace { system, changed: system.changed(), looked: Instant::now(), spacing }
    }

    /// Returns when a session may have changed since the look before, and soon in any case.
    pub(crate) async fn wait(&mut self) {
        let _ = timeout(POLL, &mut self.changed).await; // Either way it is time to look again.
        sleep_until(self.looked + self.spacing).await;
        self.spacing = (self.spacing * 2).min(*SPACING.end());
        self.changed = self.system.changed();
        self.looked = Instant::now();
    }
}
