//! The newest records in memory.

use std::collections::VecDeque;

use podling_session::{
    log::{Body, RECORD_BYTES, Record},
    size::WindowSize,
};

/// What the tail keeps at least, so that viewers who follow never touch a file.
pub(super) const TAIL_BYTES: usize = 1 << 20;

/// Records by their place in the log: the first record ever has index 0.
#[derive(Debug)]
pub(super) struct Tail {
    records: VecDeque<Record>,
    first_index: u64,
    bytes: usize,
    /// The offset after the last record.
    end: u64,
    /// The window size in force before the first record here.
    size: WindowSize,
}

impl Tail {
    pub(super) fn new() -> Tail {
        Tail { records: VecDeque::new(), first_index: 0, bytes: 0, end: 0, size: WindowSize::DEFAULT }
    }

    pub(super) fn push(&mut self, time_millis: u64, body: Body) {
        let record = Record { offset: self.end, time_millis, body };
        self.end = record.end();
        self.bytes += weight(&record);
        self.records.push_back(record);
    }

    /// Drops the oldest records past the size, but none from `keep_from` on.
    pub(super) fn trim(&mut self, keep_from: u64) {
        while self.bytes > TAIL_BYTES && self.first_index < keep_from {
            let Some(record) = self.records.pop_front() else { return };
            self.bytes -= weight(&record);
            self.first_index += 1;
            if let Body::Resize(size) = record.body {
                self.size = size;
            }
        }
    }

    /// The records from an index on; from the first kept one when that is later.
    pub(super) fn from(&self, index: u64) -> impl Iterator<Item = &Record> {
        let skip = usize::try_from(index.saturating_sub(self.first_index)).unwrap_or(usize::MAX);
        self.records.range(skip.min(self.records.len())..)
    }

    pub(super) fn last(&self) -> Option<&Record> {
        self.records.back()
    }

    /// The index of the first record that tells something at this offset or behind it.
    pub(super) fn at(&self, offset: u64) -> u64 {
        let before = |record: &Record| record.offset < offset && record.end() <= offset;
        self.first_index + self.records.partition_point(before) as u64
    }

    /// The window size in force before the record of this index.
    pub(super) fn size_at(&self, index: u64) -> WindowSize {
        let before = usize::try_from(index.saturating_sub(self.first_index)).unwrap_or(usize::MAX);
        let sizes = self.records.range(..before.min(self.records.len())).rev().find_map(|record| match record.body {
            Body::Resize(size) => Some(size),
            _ => None,
        });
        sizes.unwrap_or(self.size)
    }

    pub(super) fn first_index(&self) -> u64 {
        self.first_index
    }

    /// The offset of the first record here, or of the next one when there is none.
    pub(super) fn first_offset(&self) -> u64 {
        self.records.front().map_or(self.end, |record| record.offset)
    }

    /// The index of the next record.
    pub(super) fn next_index(&self) -> u64 {
        self.first_index + self.records.len() as u64
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn size(&self) -> WindowSize {
        self.size
    }
}

/// A record's share of the memory, its place in the queue included.
fn weight(record: &Record) -> usize {
    let payload = match &record.body {
        Body::Output(bytes) => bytes.len(),
        Body::Mark(text) => text.len(),
        Body::Keyframe(keyframe) => keyframe.data.len(),
        _ => 0,
    };
    size_of::<Record>().max(RECORD_BYTES) + payload
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_tail_is_bounded_and_never_drops_what_must_be_kept() {
        let mut tail = Tail::new();
        let size = WindowSize::new(30, 100).expect("a fair size");
        tail.push(0, Body::Resize(size));
        for _ in 0..40 {
            tail.push(0, Body::Output(Bytes::from(vec![b'x'; 64 << 10])));
        }
        tail.trim(2);
        assert_eq!((tail.first_index(), tail.first_offset(), tail.size()), (2, 64 << 10, size));
        tail.trim(u64::MAX);
        assert!(tail.bytes <= TAIL_BYTES && tail.from(0).count() >= 15);
        assert_eq!((tail.next_index(), tail.end()), (41, 40 * (64 << 10)));
        assert_eq!(tail.from(40).map(|record| record.offset).collect::<Vec<_>>(), [39 * (64 << 10)]);
        assert_eq!(tail.from(99).count(), 0);
    }

    #[test]
    fn an_offset_is_found_with_what_stands_beside_it_and_the_size_in_force() {
        let mut tail = Tail::new();
        let size = WindowSize::new(30, 100).expect("a fair size");
        tail.push(0, Body::Output(Bytes::from_static(b"0123")));
        tail.push(0, Body::Resize(size));
        tail.push(0, Body::Output(Bytes::from_static(b"4567")));
        let check = |offset, index, expected| assert_eq!((tail.at(offset), tail.size_at(index)), (index, expected));
        check(0, 0, WindowSize::DEFAULT);
        check(3, 0, WindowSize::DEFAULT);
        check(4, 1, WindowSize::DEFAULT);
        check(5, 2, size);
        check(8, 3, size);
    }
}
