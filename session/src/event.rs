//! What happened to a session, numbered per session from 1 and written in the statement that made it happen.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::id::{InvalidId, SessionId, Uid};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place among the events of all sessions.
    pub cursor: Cursor,
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

/// An event of a session, told to whoever may know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The session's name.
    pub id: SessionId,
    pub event: Event,
}

/// What happened to some sessions since a cursor, and the cursor to ask with next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tidings {
    pub told: Vec<Told>,
    pub next: Cursor,
}

/// What happened since a cursor, and the cursor to ask with next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub events: Vec<Event>,
    pub next: Cursor,
}

/// Such as `731-17`: opaque to whom it is given, and may stand in a URL and in a header.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.transaction, self.row)
    }
}

impl FromStr for Cursor {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Cursor, InvalidId> {
        let parse = || {
            let (transaction, row) = text.split_once('-')?;
            // Both databases count rows in 63 bits.
            let row = row.parse().ok().filter(|row: &u64| i64::try_from(*row).is_ok())?;
            Some(Cursor { transaction: transaction.parse().ok()?, row })
        };
        parse().ok_or(InvalidId { kind: "cursor", rule: "one that was given out before" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for cursor in [Cursor::default(), Cursor { transaction: u64::MAX, row: i64::MAX.unsigned_abs() }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "1", "1-", "-1", "1-x", "1-2-3", "1-9223372036854775808", "-1-1"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
