//! Settling: what a dead runner had written but not reported becomes part of the stored log.

use bytes::Bytes;
use podling_session::{
    id::Incarnation,
    log::{Body, HEADER_BYTES, Header, RECORD_BYTES, Record, Segment, SegmentHash, hash},
    phase::End,
    session::{LogRange, Session},
    store::SegmentRow,
};
use tracing::warn;

use super::{LogError, Logs, gap, read::Stored};
use crate::core::Core;

impl Logs {
    /// Takes up the segments that have no row, the last one cut behind its last whole record, and records where the
    /// log ends. Only the last one is read whole: of the others the headers tell everything, and whoever reads the log
    /// checks them. The end that the command came to, if the log has it: a runner may die between writing and reporting
    /// it. Only for an incarnation whose runner is dead; a repeat changes nothing.
    ///
    /// # Errors
    /// When store or blobs fail; a repeat goes on from there.
    pub async fn settle(&self, core: &Core, life: Incarnation) -> Result<Option<End>, LogError> {
        let Some(session) = core.system.find(life.uid).await? else { return Ok(None) };
        let session = Session { incarnation: life.number, ..session };
        let mut last = core.system.segments(life).await?.last().copied();
        while let Some((row, bytes)) = self.unreported(&session, last.as_ref()).await? {
            if let Some(whole) = bytes.torn {
                self.put(&session.owner.tenant, life, row.sequence, whole).await?;
            }
            core.system.add_segment(life, row, session.log.first).await?;
            if let Some(end) = bytes.gap_end {
                gap::note(core, life.uid, LogRange { first: row.first_offset, end }).await?;
            }
            last = Some(row);
        }
        core.system.log_end(life, last.map_or(0, |row| row.end_offset)).await?;
        match self.recorded_end(core, &session).await {
            // A broken log must not hold its session for ever: whoever reads it is told what is broken.
            Err(LogError::Broken { sequence, fault }) => {
                warn!(session.id = %life.uid, "segment {sequence} of the log of session {} {fault}", life.uid);
                Ok(None)
            }
            found => found,
        }
    }

    /// The segment after `last`, if there is one that has a record and continues the chain.
    async fn unreported(
        &self,
        session: &Session,
        last: Option<&SegmentRow>,
    ) -> Result<Option<(SegmentRow, Taken)>, LogError> {
        let life = session.life();
        let sequence = last.map_or(0, |row| row.sequence + 1);
        if let Some(sealed) = self.sealed(session, sequence, last.map_or([0; 32], |row| row.hash)).await? {
            return Ok(Some(sealed));
        }
        let Some(bytes) = self.segment(&session.owner.tenant, life, sequence).await? else { return Ok(None) };
        let taken = take(bytes, sequence, last.map_or([0; 32], |row| row.hash));
        if taken.is_none() {
            warn!(session.id = %life.uid, "segment {sequence} of session {} has no whole record; left out", life.uid);
        }
        Ok(taken)
    }

    /// A segment that another follows: it is whole, and its successor names its hash.
    async fn sealed(
        &self,
        session: &Session,
        sequence: u64,
        previous: SegmentHash,
    ) -> Result<Option<(SegmentRow, Taken)>, LogError> {
        let (tenant, life) = (&session.owner.tenant, session.life());
        let Some((next, _)) = self.head(tenant, life, sequence + 1, HEADER_BYTES as u64).await? else {
            return Ok(None);
        };
        let Some((head, bytes)) = self.head(tenant, life, sequence, HEAD_BYTES).await? else { return Ok(None) };
        Ok(take_sealed(head, bytes, next, sequence, previous))
    }

    async fn recorded_end(&self, core: &Core, session: &Session) -> Result<Option<End>, LogError> {
        let stored = Stored::find(&core.logs, core.system.as_ref(), session).await?;
        let end = stored.end();
        let mut reader = stored.read(end);
        let mut found = None;
        while let Some(record) = reader.next().await? {
            if let Body::Exit(end) = record.body {
                found = Some(end);
            }
        }
        Ok(found)
    }
}

/// The header and the first record, if it is a gap.
const HEAD_BYTES: u64 = (HEADER_BYTES + RECORD_BYTES + 8) as u64;

/// What is found in a segment that is taken up.
struct Taken {
    /// Its whole records, when something lay behind them.
    torn: Option<Bytes>,
    /// Where the gap ends that the first of them is.
    gap_end: Option<u64>,
}

/// From the beginnings of a segment and of the one behind it.
fn take_sealed(
    head: Bytes,
    bytes: u64,
    next: Bytes,
    sequence: u64,
    previous: SegmentHash,
) -> Option<(SegmentRow, Taken)> {
    let continues = |header: &Header, number: u64| header.sequence == number;
    let next = Segment::parse(next).ok().map(|next| next.header).filter(|next| continues(next, sequence + 1))?;
    let head = Segment::parse(head).ok().filter(|head| continues(&head.header, sequence))?;
    if head.header.previous != previous {
        return None;
    }
    let (first_offset, end_offset) = (head.header.first_offset, next.first_offset);
    let row = SegmentRow { sequence, first_offset, end_offset, bytes, hash: next.previous };
    Some((row, Taken { torn: None, gap_end: head.records.first().and_then(Record::gap_end) }))
}

fn take(bytes: Bytes, sequence: u64, previous: SegmentHash) -> Option<(SegmentRow, Taken)> {
    let segment = Segment::parse(bytes.clone()).ok()?;
    if segment.records.is_empty() || segment.header.sequence != sequence || segment.header.previous != previous {
        return None;
    }
    let whole = bytes.slice(..segment.whole_bytes);
    let row = SegmentRow {
        sequence,
        first_offset: segment.header.first_offset,
        end_offset: segment.end(),
        bytes: whole.len() as u64,
        hash: hash(&whole),
    };
    let gap_end = segment.records.first().and_then(Record::gap_end);
    Some((row, Taken { torn: (whole.len() < bytes.len()).then_some(whole), gap_end }))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use podling_session::log::Header;

    use super::*;

    fn segment(sequence: u64, previous: SegmentHash, outputs: &[&'static str]) -> BytesMut {
        let mut bytes = BytesMut::from(&Header { sequence, first_offset: 0, previous }.encode()[..]);
        let mut offset = 0;
        for text in outputs {
            let record = Record { offset, time_millis: 0, body: Body::Output(Bytes::from_static(text.as_bytes())) };
            record.encode(&mut bytes);
            offset = record.end();
        }
        bytes
    }

    #[test]
    fn a_torn_tail_is_cut_behind_its_last_whole_record() {
        let whole = segment(3, [9; 32], &["one", "two"]);
        let mut torn = whole.clone();
        segment(0, [0; 32], &["three"])[56..60].iter().for_each(|byte| torn.extend_from_slice(&[*byte]));
        let (row, taken) = take(torn.freeze(), 3, [9; 32]).expect("two records are whole");
        assert_eq!((row.end_offset, row.bytes), (6, whole.len() as u64));
        assert_eq!(taken.torn.as_ref(), Some(&whole.clone().freeze()));
        assert_eq!(row.hash, hash(&whole));
    }

    #[test]
    fn what_does_not_continue_the_chain_is_not_taken() {
        let bytes = segment(3, [9; 32], &["one"]).freeze();
        assert!(take(bytes.clone(), 3, [9; 32]).is_some_and(|(_, taken)| taken.torn.is_none()));
        assert!(take(bytes.clone(), 4, [9; 32]).is_none());
        assert!(take(bytes.clone(), 3, [8; 32]).is_none());
        assert!(take(bytes.slice(..40), 3, [9; 32]).is_none());
        assert!(take(bytes.slice(..60), 3, [9; 32]).is_none());
    }
}
