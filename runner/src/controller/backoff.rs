//! Pauses between attempts: twice as long each time, up to a cap, and jittered so that runners do not come in step.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff(FIRST)
    }

    /// From half of the pause that is due to all of it.
    pub(super) fn next(&mut self) -> Duration {
        let due = self.0;
        self.0 = (due * 2).min(LONGEST);
        due.mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_are_never_nothing() {
        let mut backoff = Backoff::new();
        assert!((FIRST / 2..=FIRST).contains(&backoff.next()));
        for _ in 0..10 {
            assert!(backoff.next() >= FIRST);
        }
        assert!((LONGEST / 2..=LONGEST).contains(&backoff.next()));
    }
}
