//! When a controller counts as gone: connecting has been refused for a while, or nothing was heard for a longer while.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

/// How long a runner does without its controller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Connecting is refused: on one machine that means that no controller lives.
    pub(crate) refused: Duration,
    /// Nothing is heard.
    pub(crate) silent: Duration,
}

/// The rule, without a clock.
#[derive(Clone, Copy, Debug)]
struct Heard {
    last: Instant,
    refused_since: Option<Instant>,
}

impl Heard {
    fn is_gone(&self, patience: Patience, now: Instant) -> bool {
        let for_long = |since: Instant, most: Duration| now.saturating_duration_since(since) >= most;
        for_long(self.last, patience.silent)
            || self.refused_since.is_some_and(|since| for_long(since, patience.refused))
    }
}

#[derive(Debug)]
pub(crate) struct Contact {
    patience: Patience,
    heard: Mutex<Heard>,
    gone: CancellationToken,
}

impl Contact {
    pub(crate) fn new(patience: Patience) -> Contact {
        let heard = Heard { last: Instant::now(), refused_since: None };
        Contact { patience, heard: Mutex::new(heard), gone: CancellationToken::new() }
    }

    /// The controller said something.
    pub(crate) fn heard(&self) {
        *self.lock() = Heard { last: Instant::now(), refused_since: None };
    }

    /// Connecting failed.
    pub(crate) fn refused(&self) {
        self.lock().refused_since.get_or_insert_with(Instant::now);
    }

    /// Looks at the clock; once gone, a controller stays so.
    pub(crate) fn check(&self) -> bool {
        if self.lock().is_gone(self.patience, Instant::now()) {
            self.gone.cancel();
        }
        self.gone.is_cancelled()
    }

    /// Returns when the controller is gone.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_gone_after_refusals_or_a_longer_silence() {
        let patience = Patience { refused: Duration::from_secs(8), silent: Duration::from_secs(60) };
        let start = Instant::now();
        let check = |refused_since: Option<u64>, now: u64, gone: bool| {
            let at = |second| start + Duration::from_secs(second);
            let heard = Heard { last: start, refused_since: refused_since.map(at) };
            assert_eq!(heard.is_gone(patience, at(now)), gone, "refused since {refused_since:?}, now {now}");
        };
        check(None, 59, false);
        check(None, 60, true);
        check(Some(10), 17, false);
        check(Some(10), 18, true);
    }
}
