//! A reader that takes no more than so much a second, as a viewer behind a slow network does.

use std::time::{Duration, Instant};

/// So little at once that the pace is even: at 2 MB/s every 8 ms.
pub(crate) const READ_BYTES: usize = 16 << 10;
/// What was not taken for so long is not made up for.
const SLACK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: f64,
    /// When the next byte may be taken.
    next: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: f64) -> Pace {
        Pace { bytes_per_second, next: Instant::now() }
    }

    /// Waits until so many bytes would have come.
    pub(crate) fn took(&mut self, bytes: usize) {
        let now = Instant::now();
        self.next = self.after(bytes, now);
        #[expect(clippy::disallowed_methods, reason = "to be slow is what it is for")]
        std::thread::sleep(self.next.saturating_duration_since(now));
    }

    fn after(&self, bytes: usize, now: Instant) -> Instant {
        let earliest = now.checked_sub(SLACK).unwrap_or(now);
        self.next.max(earliest) + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_and_long_silence_is_not_made_up_for() {
        let begin = Instant::now();
        let pace = Pace { bytes_per_second: 1_000.0, next: begin };
        assert_eq!(pace.after(500, begin), begin + Duration::from_millis(500));
        let later = begin + Duration::from_secs(9);
        assert_eq!(pace.after(500, later), later + Duration::from_millis(480));
    }
}
