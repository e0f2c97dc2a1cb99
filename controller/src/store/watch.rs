//! Since when the store has been there to hear of runners.
//!
//! Kept in the store, so that whichever controller sweeps next knows of the sweeps before.

use super::{
    error::Error,
    tx::Tx,
    value::{Row, values},
};

/// A runner is silent only if somebody listened. Whoever sweeps does so every second or so; a longer pause means that
/// the machine slept, the process was stopped or the disk hung, and that no heartbeat was heard either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watch {
    since: i64,
    swept_at: i64,
}

/// Begins anew: nobody listened before.
pub(super) async fn restart(tx: &Tx<'_>) -> Result<(), Error> {
    write(tx, Watch::from(tx.now())).await
}

/// The last time at which a runner may have been heard of to be lost by now; none when none may be lost.
pub(super) async fn sweep(tx: &Tx<'_>, silence: i64) -> Result<Option<i64>, Error> {
    let read = |row: Row<'_>| Ok(Watch { since: row.get("since")?, swept_at: row.get("swept_at")? });
    let watch = tx.first("SELECT since, swept_at FROM watch", &[], read).await?;
    let mut watch = watch.unwrap_or_else(|| Watch::from(tx.now()));
    let limit = watch.sweep(tx.now(), silence);
    write(tx, watch).await?;
    Ok(limit)
}

async fn write(tx: &Tx<'_>, watch: Watch) -> Result<(), Error> {
    let sql = "INSERT INTO watch (one, since, swept_at) VALUES (1, $1, $2) \
        ON CONFLICT (one) DO UPDATE SET since = $1, swept_at = $2";
    tx.execute(sql, values![watch.since, watch.swept_at]).await?;
    Ok(())
}

/// The shortest pause between two sweeps that counts as an outage, in milliseconds.
const SHORTEST_OUTAGE: i64 = 10_000;

impl Watch {
    /// From the opening of the store on.
    fn from(now: i64) -> Watch {
        Watch { since: now, swept_at: now }
    }

    /// A sweep happens. `None` while nobody can have been silent for so long; else the time at or before which a
    /// runner must have been heard of last, to be lost.
    fn sweep(&mut self, now: i64, silence: i64) -> Option<i64> {
        let pause = now - self.swept_at;
        // A clock that was set back makes all times in the store lie in the future: they mean nothing any more.
        if pause < 0 || pause > (silence / 2).max(SHORTEST_OUTAGE) {
            self.since = now;
        }
        self.swept_at = now;
        let limit = now - silence;
        (self.since <= limit).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// Sweeps every second from `from` to `to`; what the last sweep says.
    fn sweeps(watch: &mut Watch, from: i64, to: i64) -> Option<i64> {
        (from..=to).step_by(1_000).fold(None, |_, now| watch.sweep(now, MINUTE))
    }

    #[test]
    fn silence_is_counted_from_the_opening() {
        let mut watch = Watch::from(1_000);
        assert_eq!(sweeps(&mut watch, 1_000, 60_000), None);
        assert_eq!(watch.sweep(61_000, MINUTE), Some(1_000));
        assert_eq!(watch.sweep(62_000, MINUTE), Some(2_000));
    }

    #[test]
    fn after_an_outage_silence_is_counted_from_the_recovery() {
        let mut watch = Watch::from(0);
        assert!(sweeps(&mut watch, 0, 100_000).is_some());
        assert_eq!(watch.sweep(200_000, MINUTE), None);
        assert_eq!(sweeps(&mut watch, 200_000, 259_000), None);
        assert_eq!(watch.sweep(260_000, MINUTE), Some(200_000));
    }

    #[test]
    fn a_clock_set_back_counts_as_an_outage() {
        let mut watch = Watch::from(1_000_000);
        assert_eq!(watch.sweep(5_000, MINUTE), None);
        assert_eq!(sweeps(&mut watch, 5_000, 65_000), Some(5_000));
    }
}
