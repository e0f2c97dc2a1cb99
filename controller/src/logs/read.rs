//! Stored logs, read segment by segment with hash and chain checked.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use podling_session::{
    id::Incarnation,
    log::{Record, Segment, SegmentHash, hash},
    principal::Tenant,
    session::Session,
    store::{SegmentRow, SystemStore},
};

use super::{LogError, Logs};

/// What is stored of one incarnation's log.
#[derive(Clone)]
pub struct Stored {
    logs: Arc<Logs>,
    tenant: Tenant,
    life: Incarnation,
    pub(super) segments: Arc<[SegmentRow]>,
    first: u64,
}

impl Stored {
    /// The stored log of a session's incarnation, as its rows have it.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn find(logs: &Arc<Logs>, system: &dyn SystemStore, session: &Session) -> Result<Stored, LogError> {
        let life = session.life();
        let segments = kept(system.segments(life).await?, session.log.first);
        Ok(Stored {
            logs: logs.clone(),
            tenant: session.owner.tenant.clone(),
            life,
            // A log that lost its beginning to its limit begins within a segment.
            first: segments.first().map_or(0, |row| row.first_offset.max(session.log.first)),
            segments: segments.into(),
        })
    }

    /// The first offset that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The offset after the last byte.
    pub fn end(&self) -> u64 {
        self.segments.last().map_or(0, |row| row.end_offset)
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The records from the segment on that holds an offset.
    pub fn read(self, from: u64) -> Reader {
        let next = self.segments.partition_point(|row| row.end_offset < from);
        Reader { log: self, next, records: VecDeque::new() }
    }

    pub(super) async fn load(&self, index: usize) -> Result<Segment, LogError> {
        let row = self.segments[index];
        let broken = |fault| LogError::Broken { sequence: row.sequence, fault };
        let bytes = self.logs.segment(&self.tenant, self.life, row.sequence).await?.ok_or(broken("is missing"))?;
        check(bytes, &row, self.previous(index)?)
    }

    /// The hash that the segment must name; none when the one before it is no longer kept.
    fn previous(&self, index: usize) -> Result<Option<SegmentHash>, LogError> {
        let sequence = self.segments[index].sequence;
        match index.checked_sub(1).map(|before| self.segments[before]) {
            Some(before) if before.sequence + 1 == sequence => Ok(Some(before.hash)),
            Some(_) => Err(LogError::Broken { sequence: sequence - 1, fault: "is missing" }),
            None if sequence == 0 => Ok(Some([0; 32])),
            None => Ok(None),
        }
    }
}

/// Rows of segments that were cut off by the log's limit may still be there when their bytes are not.
fn kept(mut rows: Vec<SegmentRow>, first: u64) -> Vec<SegmentRow> {
    rows.retain(|row| row.end_offset > first || row.first_offset >= first);
    rows
}

fn check(bytes: Bytes, row: &SegmentRow, previous: Option<SegmentHash>) -> Result<Segment, LogError> {
    let broken = |fault| LogError::Broken { sequence: row.sequence, fault };
    if hash(&bytes) != row.hash {
        return Err(broken("does not match its hash"));
    }
    let length = bytes.len();
    let segment = Segment::parse(bytes).map_err(|_| broken("cannot be read"))?;
    if segment.header.sequence != row.sequence || previous.is_some_and(|hash| hash != segment.header.previous) {
        return Err(broken("does not follow the one before it"));
    }
    if segment.whole_bytes != length || segment.end() != row.end_offset {
        return Err(broken("ends elsewhere than it should"));
    }
    Ok(segment)
}

/// A place in a stored log. Holds one segment in memory.
pub struct Reader {
    log: Stored,
    next: usize,
    records: VecDeque<Record>,
}

impl Reader {
    /// The next record, `None` after the last. Not cancel-safe.
    ///
    /// # Errors
    /// When a segment cannot be read or is not what was sealed. The log cannot be read past it.
    pub async fn next(&mut self) -> Result<Option<Record>, LogError> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            if self.next == self.log.segments.len() {
                return Ok(None);
            }
            let segment = self.log.load(self.next).await?;
            self.next += 1;
            self.records = segment.records.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_below_the_first_kept_offset_are_passed_over() {
        let row = |sequence, first_offset, end_offset| SegmentRow {
            sequence,
            first_offset,
            end_offset,
            bytes: 0,
            hash: [0; 32],
        };
        let sequences = |first| {
            let rows = vec![row(0, 0, 0), row(1, 0, 10), row(2, 10, 20), row(3, 20, 20)];
            kept(rows, first).into_iter().map(|row| row.sequence).collect::<Vec<_>>()
        };
        assert_eq!(sequences(0), [0, 1, 2, 3]);
        assert_eq!(sequences(10), [2, 3]);
        assert_eq!(sequences(15), [2, 3]);
    }
}
