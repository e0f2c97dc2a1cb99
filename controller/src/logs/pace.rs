//! How often those who wait for a session look at it.

use std::{ops::RangeInclusive, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
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
    heard: bool,
    looked: Instant,
    spacing: Duration,
}

impl<'a> Pace<'a> {
    /// Made before the first look.
    pub(crate) fn new(system: &'a dyn SystemStore) -> Pace<'a> {
        let spacing = *SPACING.start();
        let mut pace = Pace { system, changed: system.changed(), heard: false, looked: Instant::now(), spacing };
        pace.listen();
        pace
    }

    /// Returns when a session may have changed since the look before, and soon in any case.
    pub(crate) async fn wait(&mut self) {
        if !self.heard {
            let _ = timeout(POLL, &mut self.changed).await; // Either way it is time to look again.
        }
        sleep_until(self.looked + self.spacing).await;
        self.spacing = (self.spacing * 2).min(*SPACING.end());
        self.changed = self.system.changed();
        self.listen();
        self.looked = Instant::now();
    }

    /// The first poll is what makes the store know of us.
    fn listen(&mut self) {
        self.heard = (&mut self.changed).now_or_never().is_some();
    }
}
