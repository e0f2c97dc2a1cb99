//! One segment file while it is written. Blocking; the writer calls it on a blocking thread.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, FileExt},
    path::Path,
    time::Instant,
};

use bytes::BytesMut;
use podling_session::{
    log::{Body, HEADER_BYTES, Header, Record, SegmentHash, segment_file},
    size::WindowSize,
};
use sha2::{Digest, Sha256};

use super::index::SegmentEntry;

/// Records that go to a file together.
#[derive(Debug)]
pub(super) struct Batch {
    /// The index of the first record.
    pub(super) first_index: u64,
    /// The window size in force before the first record.
    pub(super) size: WindowSize,
    pub(super) records: Vec<Record>,
}

#[derive(Debug)]
pub(super) struct SegmentFile {
    file: File,
    entry: SegmentEntry,
    hasher: Sha256,
    began: Instant,
}

impl SegmentFile {
    /// Begins a segment with its first records, in place of what an attempt that failed left there.
    pub(super) fn begin(
        directory: &Path,
        sequence: u64,
        previous: SegmentHash,
        batch: &Batch,
    ) -> io::Result<SegmentFile> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(directory.join(segment_file(sequence)))?;
        let first = batch.records.first();
        let first_offset = first.map_or(0, |record| record.offset);
        let gap_end = first.and_then(Record::gap_end);
        let header = Header { sequence, first_offset, previous }.encode();
        file.write_all_at(&header, 0)?;
        let entry = SegmentEntry {
            sequence,
            first_index: batch.first_index,
            end_index: batch.first_index,
            first_offset,
            end_offset: first_offset,
            size: batch.size,
            gap_end,
            bytes: HEADER_BYTES as u64,
            hash: None,
        };
        let mut segment = SegmentFile { file, entry, hasher: Sha256::new_with_prefix(header), began: Instant::now() };
        segment.append(&batch.records)?;
        Ok(segment)
    }

    /// # Errors
    /// When the storage refuses the bytes. Those before stay as they were.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        records.iter().for_each(|record| record.encode(&mut buffer));
        if let Err(error) = self.file.write_all_at(&buffer, self.entry.bytes) {
            let _ = self.file.set_len(self.entry.bytes); // Readers stop at `bytes` in any case.
            return Err(error);
        }
        self.hasher.update(&buffer);
        self.entry.bytes += buffer.len() as u64;
        self.entry.end_index += records.len() as u64;
        self.entry.end_offset = records.last().map_or(self.entry.end_offset, Record::end);
        Ok(())
    }

    /// The entry of the sealed segment.
    pub(super) fn seal(self) -> SegmentEntry {
        SegmentEntry { hash: Some(self.hasher.finalize().into()), ..self.entry }
    }

    pub(super) fn entry(&self) -> SegmentEntry {
        self.entry
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }
}

impl Batch {
    /// Puts a gap in front, in the place of the last record that was lost.
    pub(super) fn after_gap(mut self, from: u64) -> Batch {
        if let Some(first) = self.records.first() {
            let gap = Record { offset: from, time_millis: first.time_millis, body: Body::Gap { to: first.offset } };
            self.records.insert(0, gap);
            self.first_index -= 1;
        }
        self
    }
}
