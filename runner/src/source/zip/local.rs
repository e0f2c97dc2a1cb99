//! An entry's own header, and its content.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
};

use flate2::bufread::DeflateDecoder;

use super::{
    Fault,
    directory::{ENCRYPTED, Entry},
    window::{Window, bytes_at, u16_at, u32_at},
};

/// Without name and extra fields (4.3.7).
const HEADER_BYTES: usize = 30;
const HEADER: [u8; 4] = *b"PK\x03\x04";
/// The sizes follow the content (4.4.4).
const SIZES_FOLLOW: u16 = 1 << 3;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Where the bytes of an entry's content are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    start: u64,
    end: u64,
}

/// The ranges that belong to an entry each, by their start.
pub(super) struct Taken {
    ranges: BTreeMap<u64, u64>,
    limit: u64,
}

impl Taken {
    /// None yet; all have to lie in front of the directory.
    pub(super) fn before(limit: u64) -> Taken {
        Taken { ranges: BTreeMap::new(), limit }
    }

    /// Reads an entry's own header, which must say what the directory does, and takes its bytes.
    pub(super) fn locate(&mut self, archive: &File, entry: &Entry) -> Result<Data, Fault> {
        let header: [u8; HEADER_BYTES] = bytes_at(archive, entry.header)?;
        if header[..4] != HEADER {
            return Err(Fault::Refused("it is not where the directory says"));
        }
        let mut name = vec![0; u16_at(&header, 26).into()];
        let after = entry.header + HEADER_BYTES as u64;
        archive.read_exact_at(&mut name, after).map_err(Fault::Read)?;
        let start = after + name.len() as u64 + u64::from(u16_at(&header, 28));
        let same_size = |at: usize, size: u64| match u32_at(&header, at) {
            u32::MAX => true, // In the extra field, where no reader looks that has the directory.
            told => u64::from(told) == size,
        };
        let flags = u16_at(&header, 6);
        let sizes_agree = flags & SIZES_FOLLOW != 0 || same_size(18, entry.packed) && same_size(22, entry.size);
        let same = name == entry.name && flags & ENCRYPTED == 0 && u16_at(&header, 8) == entry.method;
        if !same || !sizes_agree {
            return Err(Fault::Refused("its header and the directory tell different things"));
        }
        let end = start.checked_add(entry.packed).filter(|end| *end <= self.limit);
        let end = end.ok_or(Fault::Refused("it reaches into the directory"))?;
        self.take(entry.header, end)?;
        Ok(Data { start, end })
    }

    fn take(&mut self, start: u64, end: u64) -> Result<(), Fault> {
        let before = self.ranges.range(..end).next_back();
        if before.is_some_and(|(_, taken_to)| *taken_to > start) {
            return Err(Fault::Refused("it shares bytes with another entry"));
        }
        self.ranges.insert(start, end);
        Ok(())
    }
}

/// The content of an entry, unpacked.
pub(super) enum Content<'a> {
    Stored { window: Window<'a>, start: u64 },
    Deflated(Box<DeflateDecoder<BufReader<Window<'a>>>>),
}

impl Data {
    pub(super) fn content<'a>(self, archive: &'a File, entry: &Entry) -> Result<Content<'a>, Fault> {
        let window = Window { file: archive, at: self.start, end: self.end };
        match entry.method {
            STORED => Ok(Content::Stored { window, start: self.start }),
            DEFLATED => Ok(Content::Deflated(Box::new(DeflateDecoder::new(BufReader::new(window))))),
            _ => Err(Fault::Refused("its compression is not supported: deflate it")),
        }
    }
}

impl Content<'_> {
    /// How many bytes of the archive have been used.
    pub(super) fn packed(&self) -> u64 {
        match self {
            Content::Stored { window, start } => window.at - start,
            Content::Deflated(decoder) => decoder.total_in(),
        }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Stored { window, .. } => window.read(buffer),
            Content::Deflated(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_belongs_to_two_entries() {
        let check = |ranges: &[(u64, u64)], good: bool| {
            let mut taken = Taken::before(100);
            let (last, first) = ranges.split_last().expect("at least one");
            for (start, end) in first {
                taken.take(*start, *end).expect("apart");
            }
            assert_eq!(taken.take(last.0, last.1).is_ok(), good, "{ranges:?}");
        };
        check(&[(0, 10), (10, 20)], true);
        check(&[(10, 20), (0, 10)], true);
        check(&[(0, 10), (20, 30), (10, 20)], true);
        check(&[(0, 10), (0, 10)], false);
        check(&[(0, 10), (9, 20)], false);
        check(&[(10, 20), (0, 11)], false);
        check(&[(0, 30), (10, 20)], false);
        check(&[(10, 20), (0, 30)], false);
    }
}
