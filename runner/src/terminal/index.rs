//! Which segment files there are, and what each holds.

use std::collections::VecDeque;

use podling_session::{
    log::{HEADER_BYTES, SegmentHash},
    size::WindowSize,
};

/// One segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) sequence: u64,
    /// The index of its first record and the one after its last. A gap stands for the last record that was lost.
    pub(crate) first_index: u64,
    pub(crate) end_index: u64,
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    /// The window size in force before its first record.
    pub(crate) size: WindowSize,
    /// Where the gap ends that it begins with, if it does: output from `first_offset` to here is lost.
    pub(crate) gap_end: Option<u64>,
    /// Whole bytes in the file.
    pub(crate) bytes: u64,
    /// Set when it is sealed.
    pub(crate) hash: Option<SegmentHash>,
}

/// Where a reader finds the record of an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    In(SegmentEntry),
    /// In no file; the next one begins behind it.
    Before(SegmentEntry),
    /// In no file, and none begins behind it.
    Nowhere,
}

#[derive(Debug, Default)]
pub(super) struct SegmentIndex {
    entries: VecDeque<SegmentEntry>,
    /// Records below were removed to keep the log within its size.
    removed_below: u64,
}

impl SegmentIndex {
    /// A segment was begun, has grown or is sealed.
    pub(super) fn update(&mut self, entry: SegmentEntry) {
        match self.entries.back_mut() {
            Some(last) if last.sequence == entry.sequence => *last = entry,
            _ => self.entries.push_back(entry),
        }
    }

    /// Takes the oldest sealed segments out until the output kept is at most `keep_bytes`.
    pub(super) fn retain(&mut self, keep_bytes: u64) -> Vec<SegmentEntry> {
        let mut removed = Vec::new();
        while let (Some(first), Some(last)) = (self.entries.front(), self.entries.back())
            && first.sequence != last.sequence
            && last.end_offset - first.first_offset > keep_bytes
        {
            self.removed_below = first.end_index;
            removed.extend(self.entries.pop_front());
        }
        removed
    }

    pub(super) fn removed_below(&self) -> u64 {
        self.removed_below
    }

    pub(super) fn place(&self, index: u64) -> Place {
        let next = self.entries.partition_point(|entry| entry.end_index <= index);
        match self.entries.get(next) {
            Some(entry) if entry.first_index <= index && entry.bytes > HEADER_BYTES as u64 => Place::In(*entry),
            Some(entry) if entry.bytes > HEADER_BYTES as u64 => Place::Before(*entry),
            _ => Place::Nowhere,
        }
    }

    pub(super) fn first(&self) -> Option<&SegmentEntry> {
        self.entries.front()
    }

    /// The first segment that reaches this offset: what stands beside the output there may end the one before.
    pub(super) fn reaching(&self, offset: u64) -> Option<&SegmentEntry> {
        self.entries.get(self.entries.partition_point(|entry| entry.end_offset < offset))
    }

    /// The first sealed segment from this sequence on.
    pub(super) fn sealed_from(&self, sequence: u64) -> Option<SegmentEntry> {
        let next = self.entries.partition_point(|entry| entry.sequence < sequence);
        self.entries.get(next).filter(|entry| entry.hash.is_some()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, indexes: (u64, u64), offsets: (u64, u64)) -> SegmentEntry {
        SegmentEntry {
            sequence,
            first_index: indexes.0,
            end_index: indexes.1,
            first_offset: offsets.0,
            end_offset: offsets.1,
            size: WindowSize::DEFAULT,
            gap_end: None,
            bytes: 1_000,
            hash: Some([0; 32]),
        }
    }

    fn index() -> SegmentIndex {
        let mut index = SegmentIndex::default();
        index.update(entry(0, (0, 5), (0, 100)));
        index.update(entry(1, (5, 9), (100, 200)));
        index.update(entry(2, (12, 20), (250, 400))); // Records 9 to 11 were lost.
        index
    }

    #[test]
    fn a_record_is_found_by_its_index_and_a_segment_by_its_offset() {
        let index = index();
        let check = |at, expected: &str, sequence| match index.place(at) {
            Place::In(entry) => assert_eq!(("in", entry.sequence), (expected, sequence), "{at}"),
            Place::Before(entry) => assert_eq!(("before", entry.sequence), (expected, sequence), "{at}"),
            Place::Nowhere => assert_eq!("nowhere", expected, "{at}"),
        };
        check(0, "in", 0);
        check(8, "in", 1);
        check(9, "before", 2);
        check(12, "in", 2);
        check(20, "nowhere", 0);
        assert_eq!(index.reaching(100).map(|entry| entry.sequence), Some(0));
        assert_eq!(index.reaching(101).map(|entry| entry.sequence), Some(1));
        assert_eq!(index.reaching(401), None);
    }

    #[test]
    fn the_oldest_segments_go_but_never_the_last() {
        let mut index = index();
        assert_eq!(index.retain(400).len(), 0);
        assert_eq!(index.retain(300).iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [0]);
        assert_eq!(index.removed_below(), 5);
        assert_eq!(index.retain(0).len(), 1);
        assert_eq!(index.first().map(|entry| entry.sequence), Some(2));
        assert_eq!(index.sealed_from(0).map(|entry| entry.sequence), Some(2));
    }
}
