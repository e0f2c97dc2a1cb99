//! When a controller counts as gone: connecting has been refused for a while, or nothing was heard for a longer while.

use std::{
    error::Error,
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tonic::Status;

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

    /// A call failed, which may be an answer as well: a controller that has no database says so, and lives.
    pub(crate) fn failed(&self, status: &Status) {
        match status.source() {
            None => self.heard(),
            Some(cause) if is_refusal(cause) => {
                self.lock().refused_since.get_or_insert_with(Instant::now);
            }
            Some(_) => {}
        }
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

/// Nobody listens there. A busy machine is slow to connect, and that tells nothing.
fn is_refusal(cause: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(cause), |&cause| cause.source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_any_kind_is_a_sign_of_life_and_only_a_refusal_counts_as_one() {
        let patience = Patience { refused: Duration::ZERO, silent: Duration::from_secs(60) };
        let gone_after = |status: &Status| {
            let contact = Contact::new(patience);
            contact.failed(status);
            contact.check()
        };
        let lost = |kind: io::ErrorKind| Status::from_error(Box::new(io::Error::from(kind)));
        assert!(gone_after(&lost(io::ErrorKind::ConnectionRefused)));
        assert!(gone_after(&lost(io::ErrorKind::NotFound)));
        assert!(!gone_after(&lost(io::ErrorKind::TimedOut)));
        assert!(!gone_after(&lost(io::ErrorKind::ConnectionReset)));
        assert!(!gone_after(&Status::unavailable("the store is unavailable")));
    }

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
