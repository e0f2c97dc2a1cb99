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

/// A place in the order of all events. The first is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The transaction that wrote the event; zero in a store that has one at a time.
    pub transaction: u64,
    pub row: u64,
}

/// What happened since a cursor, and the cursor to ask with next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub events: Vec<Event>,
    pub next: Cursor,
}
