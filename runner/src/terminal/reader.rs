//! Reads the log from any kept offset: from memory what is there, else from the segment files.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use bytes::{Bytes, BytesMut};
use podling_session::{
    log::{Body, HEADER_BYTES, MAX_SEGMENT_BYTES, Record, segment_file},
    size::WindowSize,
};
use tokio::task::spawn_blocking;

use super::{
    index::{Place, SegmentEntry},
    log::{Head, Log},
};

/// The most output that one read returns, and about what it takes from a file at a time.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;

/// Where one reader is. It owns nothing, so that a thousand of them cost nothing.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// Of the next record.
    index: u64,
    /// Where that record is in a file, when the reader is in one.
    spot: Option<Spot>,
}

#[derive(Clone, Copy, Debug)]
struct Spot {
    sequence: u64,
    position: u64,
    index: u64,
}

/// Where a viewer's stream begins.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) cursor: Cursor,
    pub(crate) from: u64,
    /// The end of the log now.
    pub(crate) head: u64,
    /// The window size in force where the cursor is.
    pub(crate) size: WindowSize,
    pub(crate) first_offset: u64,
}

/// The offset is not in the log, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is kept from offset {first} on")]
pub(crate) struct NotKept {
    pub(crate) first: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the reader fell off the log")]
    FellOff(#[from] NotKept),
    #[error("a segment cannot be read")]
    Segment(#[source] io::Error),
}

enum Step {
    Records(Vec<Record>),
    Open(SegmentEntry),
}

impl Cursor {
    /// At the record of an index.
    pub(crate) fn at(index: u64) -> Cursor {
        Cursor { index, spot: None }
    }

    /// Of the next record.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// Whether there is something to read.
    pub(crate) fn is_behind(&self, head: Head) -> bool {
        self.index < head.index
    }
}

impl Log {
    /// Where to begin for an offset; the first kept one when none is named.
    pub(crate) fn seek(&self, from: Option<u64>) -> Result<Start, NotKept> {
        let state = self.state();
        let (first, head) = (state.first_kept(), state.tail.end());
        let from = from.unwrap_or(first);
        if from < first || from > head {
            return Err(NotKept { first });
        }
        let in_tail = state.tail.first_index() == 0 || state.tail.first_offset() < from;
        let (index, size) = match state.index.reaching(from) {
            Some(entry) if !in_tail => (entry.first_index, entry.size),
            _ => {
                let index = state.tail.at(from);
                (index, state.tail.size_at(index))
            }
        };
        Ok(Start { cursor: Cursor { index, spot: None }, from, head, size, first_offset: first })
    }

    /// Where to go on behind a screen that was taken at an offset and has seen the records below an index: behind the
    /// window sizes that it has.
    pub(crate) fn seek_behind(&self, at: u64, index: u64) -> Result<Start, NotKept> {
        let mut start = self.seek(Some(at))?;
        let state = self.state();
        let seen = |record: &&Record| matches!(record.body, Body::Resize(_) | Body::Keyframe(_));
        if start.cursor.index >= state.tail.first_index() {
            let most = usize::try_from(index.saturating_sub(start.cursor.index)).unwrap_or(usize::MAX);
            start.cursor.index += state.tail.from(start.cursor.index).take(most).take_while(seen).count() as u64;
        }
        Ok(start)
    }

    /// The next records, about `CHUNK_BYTES` of output at most and joined where they touch; none when the cursor is at
    /// the head. Output that storage refused and memory no longer has is left out: the offsets tell. Cancel safe.
    pub(crate) async fn read(&self, cursor: &mut Cursor) -> Result<Vec<Record>, ReadError> {
        let records = match self.step(cursor)? {
            Step::Records(records) => records,
            Step::Open(entry) => self.read_file(entry, cursor).await?,
        };
        Ok(joined(records))
    }

    fn step(&self, cursor: &mut Cursor) -> Result<Step, NotKept> {
        let state = self.state();
        if cursor.index < state.tail.first_index() {
            if cursor.index < state.index.removed_below() {
                return Err(NotKept { first: state.first_kept() });
            }
            match state.index.place(cursor.index) {
                Place::In(entry) => return Ok(Step::Open(entry)),
                Place::Before(entry) => {
                    cursor.index = entry.first_index;
                    return Ok(Step::Open(entry));
                }
                Place::Nowhere => {}
            }
        }
        let mut records = Vec::new();
        cursor.index = cursor.index.max(state.tail.first_index());
        cursor.spot = None;
        let mut room = CHUNK_BYTES;
        for record in state.tail.from(cursor.index) {
            let bytes = output_bytes(record);
            if bytes > room && room < CHUNK_BYTES {
                break;
            }
            room = room.saturating_sub(bytes);
            cursor.index += 1;
            records.push(record.clone());
        }
        Ok(Step::Records(records))
    }

    async fn read_file(&self, entry: SegmentEntry, cursor: &mut Cursor) -> Result<Vec<Record>, ReadError> {
        let path = self.directory().join(segment_file(entry.sequence));
        let spot = match cursor.spot {
            Some(spot) if spot.sequence == entry.sequence => spot,
            _ => Spot { sequence: entry.sequence, position: HEADER_BYTES as u64, index: entry.first_index },
        };
        let skip_below = cursor.index;
        let read = spawn_blocking(move || read_records(&path, &entry, spot, skip_below)).await;
        let (records, spot) = read.map_err(io::Error::other).flatten().map_err(ReadError::Segment)?;
        cursor.index = spot.index.max(cursor.index);
        cursor.spot = Some(spot);
        Ok(records)
    }
}

/// Reads until there is something to tell, at most one chunk of it.
fn read_records(path: &Path, entry: &SegmentEntry, mut spot: Spot, skip_below: u64) -> io::Result<(Vec<Record>, Spot)> {
    let file = File::open(path)?;
    let mut records = Vec::new();
    let mut chunk_bytes = CHUNK_BYTES;
    while records.is_empty() && spot.position < entry.bytes {
        let mut bytes = read_chunk(&file, spot.position, entry.bytes, chunk_bytes)?;
        let before = bytes.len();
        while let Some(record) = Record::decode(&mut bytes) {
            records.extend(record.filter(|_| spot.index >= skip_below));
            spot.index += 1;
        }
        spot.position += (before - bytes.len()) as u64;
        if before == bytes.len() {
            // A record larger than the chunk; none is larger than a segment.
            if chunk_bytes >= MAX_SEGMENT_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no record at its place"));
            }
            chunk_bytes = MAX_SEGMENT_BYTES;
        }
    }
    Ok((records, spot))
}

fn read_chunk(file: &File, position: u64, end: u64, most: usize) -> io::Result<Bytes> {
    let bytes = usize::try_from(end - position).unwrap_or(usize::MAX).min(most);
    let mut buffer = BytesMut::zeroed(bytes);
    file.read_exact_at(&mut buffer, position)?;
    Ok(buffer.freeze())
}

fn output_bytes(record: &Record) -> usize {
    match &record.body {
        Body::Output(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Makes one record of output that follows on output: a message each would cost more than this copy.
fn joined(records: Vec<Record>) -> Vec<Record> {
    let mut joined: Vec<Record> = Vec::with_capacity(records.len());
    let mut run: Vec<Record> = Vec::new();
    for record in records {
        match record.body {
            Body::Output(_) => run.push(record),
            _ => {
                joined.extend(join(std::mem::take(&mut run)));
                joined.push(record);
            }
        }
    }
    joined.extend(join(run));
    joined
}

fn join(mut run: Vec<Record>) -> Option<Record> {
    if run.len() <= 1 {
        return run.pop();
    }
    let mut buffer = BytesMut::with_capacity(run.iter().map(output_bytes).sum());
    for record in &run {
        if let Body::Output(bytes) = &record.body {
            buffer.extend_from_slice(bytes);
        }
    }
    let first = run.swap_remove(0);
    Some(Record { body: Body::Output(buffer.freeze()), ..first })
}
