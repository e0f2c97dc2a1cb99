//! What happened to a session, numbered per session from 1 and written in the statement that made it happen.

use jiff::Timestamp;

use crate::id::Uid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub uid: Uid,
    pub sequence: u64,
    pub at: Timestamp,
    /// Such as `session.created`, `session.running`, `session.ended`, `log.gap`.
    pub kind: String,
    /// One sentence; never a secret, a token or terminal data.
    pub detail: String,
}
