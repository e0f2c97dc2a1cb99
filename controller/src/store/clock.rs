//! The store's clock, the only one that deadlines are measured with: the database's own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use podling_session::store::StoreError;

/// Ten thousand years: no span that is added to a time leaves the range of a column.
const LONGEST_MILLIS: i64 = 10_000 * 366 * 24 * 3_600 * 1_000;

/// The shift of the database's clock that is zero but in tests, which let time pass by it. Clones are shifted together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    shift_millis: Arc<AtomicI64>,
}

impl Clock {
    /// Lets that much time pass at once.
    pub fn advance(&self, by: Duration) {
        self.shift_millis.fetch_add(millis(by), Ordering::Relaxed);
    }

    /// Milliseconds since the epoch, when the database says `now`.
    pub(super) fn shift(&self, now: i64) -> i64 {
        now + self.shift_millis.load(Ordering::Relaxed)
    }
}

/// A span as a column holds it.
pub(super) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX).min(LONGEST_MILLIS)
}

/// A time as a column holds it.
pub(super) fn timestamp(millis: i64) -> Result<jiff::Timestamp, StoreError> {
    jiff::Timestamp::from_millisecond(millis).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_span_leaves_the_range_of_a_column() {
        assert_eq!(millis(Duration::from_millis(1_500)), 1_500);
        assert_eq!(millis(Duration::MAX), LONGEST_MILLIS);
        assert!(i64::MAX / 2 > LONGEST_MILLIS + jiff::Timestamp::now().as_millisecond());
    }
}
