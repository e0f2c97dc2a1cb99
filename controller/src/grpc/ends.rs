//! Ends and revocations that other controllers wrote, told to the runners whose control streams are open here, and to
//! viewers of stored logs.

use std::time::Duration;

use podling_session::{event::Cursor, phase::Phase, store::StoreError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{core::Core, shares};

/// Hints may be lost; the feed is looked at this often in any case.
const POLL: Duration = Duration::from_secs(1);
/// Hints come with every change. One look for all those of a moment.
const REST: Duration = Duration::from_millis(80);
/// An event may be seen later than the hint that it caused: when the transactions that ran beside its own have ended. So
/// long after a hint is looked again and again.
const LATE: Duration = Duration::from_millis(500);
/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);
/// Events that are read at once.
const AT_ONCE: u32 = 1_000;
/// The kind of event that ends a session.
const ENDED: &str = "session.ended";
/// The kind of event that revokes a share.
const REVOKED: &str = "share.revoked";

/// Follows the feed of events until `stop`. A controller that is alone tells its runners as it ends their sessions.
pub(crate) async fn run(core: Core, stop: CancellationToken) {
    if core.settings.alone {
        return stop.cancelled().await;
    }
    let mut cursor = Cursor::default();
    let mut turns = Turns::new(|| core.system.changed());
    let following = async {
        loop {
            turns.next().await;
            match timeout(LOOK, look(&core, cursor)).await {
                Ok(Ok(next)) => cursor = next,
                Ok(Err(error)) => {
                    warn!(error = &error as &dyn std::error::Error, "what others did could not be read");
                    sleep(POLL).await;
                }
                Err(_) => warn!("what others did could not be read in time"),
            }
        }
    };
    stop.run_until_cancelled(following).await;
}

/// When to look: at first, at a hint, for a while after it, and now and then in any case.
struct Turns<Listen, Hint> {
    listen: Listen,
    hint: Option<Hint>,
    hinted: Instant,
}

impl<Listen: Fn() -> Hint, Hint: Future<Output = ()>> Turns<Listen, Hint> {
    fn new(listen: Listen) -> Turns<Listen, Hint> {
        Turns { listen, hint: None, hinted: Instant::now() }
    }

    /// Returns when it is time to look.
    async fn next(&mut self) {
        if let Some(hint) = self.hint.take() {
            sleep(REST).await;
            let patience = if self.hinted.elapsed() < LATE { Duration::ZERO } else { POLL };
            if timeout(patience, hint).await.is_ok() {
                self.hinted = Instant::now();
            }
        }
        self.hint = Some((self.listen)()); // Before the look: a hint in between is not lost.
    }
}

/// Tells of every end since the cursor; the cursor of the next look.
async fn look(core: &Core, mut cursor: Cursor) -> Result<Cursor, StoreError> {
    loop {
        let feed = core.system.feed(cursor, AT_ONCE).await?;
        if feed.events.is_empty() {
            return Ok(cursor);
        }
        // Twice is no harm, so the cursor moves when all of them were told.
        for event in feed.events.iter().filter(|event| event.kind == ENDED && core.orders.serves(event.uid)) {
            if let Some(session) = core.system.find(event.uid).await?
                && let Phase::Ended(end) = &session.phase
            {
                core.orders.stop(session.life(), end, core.settings.grace);
            }
        }
        for event in feed.events.iter().filter(|event| event.kind == REVOKED) {
            if core.orders.serves(event.uid) || core.seats.serves(event.uid) {
                shares::tell_revoked(core, event.uid).await?;
            }
        }
        cursor = feed.next;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hint_that_comes_during_a_look_or_the_rest_after_it_is_followed_at_once() {
        let changed = Notify::new();
        let mut turns = Turns::new(|| changed.notified());
        turns.next().await;
        let begun = Instant::now();
        while begun.elapsed() < 2 * LATE + POLL {
            turns.next().await; // Nothing happens any more.
        }
        let looked = Instant::now();
        changed.notify_waiters();
        turns.next().await;
        assert_eq!(looked.elapsed(), REST, "hinted during a look");
        while looked.elapsed() < 2 * LATE + POLL {
            turns.next().await;
        }
        let looked = Instant::now();
        tokio::join!(turns.next(), async {
            sleep(REST / 2).await;
            changed.notify_waiters();
        });
        assert_eq!(looked.elapsed(), REST, "hinted during a rest");
    }
}
