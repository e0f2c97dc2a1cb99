//! Where the terminal of a session is served right now.

use jiff::{SignedDuration, Timestamp};
use podling_session::{
    phase::{Phase, Stage},
    session::{Release, Session},
    store::{RunnerRow, StoreError},
};

use crate::core::Core;

/// A runner that beat this recently is taken to be alive: two heartbeats and some.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere yet.
    Starting(Stage),
    Runner(At),
    /// The session has ended and its runner is gone, but its log is not settled yet.
    Settling,
    /// The controller serves the stored log.
    Stored,
}

/// A runner that has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// `unix:/path` or `https://host:port`.
    pub address: String,
    pub certificate: Vec<u8>,
}

/// Asks the store no more than the session's phase makes necessary.
///
/// # Errors
/// When the store cannot be asked.
pub async fn find(core: &Core, session: &Session) -> Result<Place, StoreError> {
    match (&session.phase, session.release) {
        (Phase::Pending, _) => Ok(Place::Starting(Stage::Scheduling)),
        (Phase::Ended(_), Release::Released) => Ok(Place::Stored),
        (Phase::Ended(_), Release::Held) => {
            let row = core.system.runner_of(session.life()).await?;
            let alive = core.orders.connected(session.life())
                || match row.as_ref().and_then(|row| row.seen_at) {
                    Some(seen) => is_fresh(seen, core.system.ping().await?),
                    None => false,
                };
            Ok(row.filter(|_| alive).and_then(registered).map_or(Place::Settling, Place::Runner))
        }
        (phase, _) => {
            let row = core.system.runner_of(session.life()).await?;
            Ok(row.and_then(registered).map_or_else(|| Place::Starting(waiting_in(phase)), Place::Runner))
        }
    }
}

fn registered(row: RunnerRow) -> Option<At> {
    Some(At { address: row.address?, certificate: row.certificate })
}

fn is_fresh(seen: Timestamp, now: Timestamp) -> bool {
    now.duration_since(seen) <= FRESH
}

/// What a session without a runner is busy with.
fn waiting_in(phase: &Phase) -> Stage {
    match phase {
        Phase::Starting { stage } => *stage,
        _ => Stage::Scheduling,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_missed_two_heartbeats_is_not_waited_for() {
        let at = |second| Timestamp::from_second(second).expect("a small second");
        assert!(is_fresh(at(10), at(15)));
        assert!(!is_fresh(at(10), at(16)));
    }
}
