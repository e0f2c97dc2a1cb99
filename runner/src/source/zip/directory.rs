//! The directory at the end of a zip archive.

use std::{
    fs::File,
    io::{BufReader, Read},
    os::unix::fs::FileExt,
};

use super::{
    Fault,
    window::{Window, broken, bytes_at, u16_at, u32_at, u64_at},
};

/// Of the record at the very end, without its comment (4.3.16).
const END_BYTES: usize = 22;
const END: [u8; 4] = *b"PK\x05\x06";
/// Of the record that says where the larger one is (4.3.15), right in front of that at the end.
const LOCATOR_BYTES: usize = 20;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
/// Of the larger record (4.3.14).
const END64_BYTES: usize = 56;
const END64: [u8; 4] = *b"PK\x06\x06";
/// Of an entry, without name, extra fields and comment (4.3.12).
const ENTRY_BYTES: usize = 46;
const ENTRY: [u8; 4] = *b"PK\x01\x02";
/// The extra field with what does not fit into 32 bits (4.5.3).
const ZIP64: u16 = 1;
/// Stands for a number in the extra field.
const ELSEWHERE: u32 = u32::MAX;
/// Encrypted, strongly encrypted, directory encrypted (4.4.4).
pub(super) const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// Those whose external attributes hold a mode of Unix: Unix and macOS (4.4.2).
const UNIX: [u8; 2] = [3, 19];
/// The bits of a mode that tell its kind, and kinds (inode(7)).
const KIND: u32 = 0o170_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Where it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) start: u64,
    end: u64,
    pub(super) entries: u64,
}

/// What it says of one entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// In the archive, in bytes.
    pub(super) packed: u64,
    pub(super) size: u64,
    /// Of Unix, where the archive was made there.
    pub(super) mode: Option<u32>,
    /// Where the entry's own header is.
    pub(super) header: u64,
}

impl Entry {
    pub(super) fn is_folder(&self) -> Result<bool, Fault> {
        let named = self.name.ends_with(b"/");
        match self.mode.map_or(0, |mode| mode & KIND) {
            0 | FILE => Ok(named),
            FOLDER => Ok(true),
            LINK => Err(Fault::Refused("symbolic links are not allowed")),
            _ => Err(Fault::Refused("devices, pipes and sockets are not allowed")),
        }
    }
}

impl Directory {
    pub(super) fn find(archive: &File, length: u64) -> Result<Directory, Fault> {
        let (at, end) = find_end(archive, length)?;
        // The disks of an archive that was cut in pieces; nobody has disks.
        if u16_at(&end, 4) != 0 || u16_at(&end, 6) != 0 || u16_at(&end, 8) != u16_at(&end, 10) {
            return Err(broken("it is one of several pieces"));
        }
        let small = Directory {
            entries: u16_at(&end, 10).into(),
            start: u32_at(&end, 16).into(),
            end: u64::from(u32_at(&end, 16)) + u64::from(u32_at(&end, 12)),
        };
        let is_large = u16_at(&end, 10) == u16::MAX || u32_at(&end, 12) == ELSEWHERE || u32_at(&end, 16) == ELSEWHERE;
        let (found, limit) = if is_large { large(archive, at)? } else { (small, at) };
        if found.start > found.end || found.end > limit {
            return Err(broken("the directory is not where its end says"));
        }
        Ok(found)
    }

    /// Every entry in turn; what is no entry ends it with an error.
    pub(super) fn read(&self, archive: &File) -> impl Iterator<Item = Result<Entry, Fault>> {
        let mut window = BufReader::new(Window { file: archive, at: self.start, end: self.end });
        let mut left = self.entries;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let entry = read_entry(&mut window);
            if entry.is_err() {
                left = 0;
            }
            Some(entry)
        })
    }
}

/// The record at the end: the last whose comment reaches just to the end of the archive.
fn find_end(archive: &File, length: u64) -> Result<(u64, [u8; END_BYTES]), Fault> {
    let most = length.min(END_BYTES as u64 + u64::from(u16::MAX));
    let start = length - most;
    let mut tail = vec![0; usize::try_from(most).expect("64 KiB fit")];
    archive.read_exact_at(&mut tail, start).map_err(Fault::Read)?;
    for at in (0..=tail.len().saturating_sub(END_BYTES)).rev() {
        let Some(record) = tail.get(at..at + END_BYTES) else { break };
        if record[..4] == END && at + END_BYTES + usize::from(u16_at(record, 20)) == tail.len() {
            return Ok((start + at as u64, record.try_into().expect("it has that length")));
        }
    }
    Err(broken("there is no directory at its end"))
}

/// The directory as the larger record tells it, and the offset at which it has to end.
fn large(archive: &File, end: u64) -> Result<(Directory, u64), Fault> {
    let missing = || broken("the directory is larger than its end can say");
    let locator: [u8; LOCATOR_BYTES] = bytes_at(archive, end.checked_sub(LOCATOR_BYTES as u64).ok_or_else(missing)?)?;
    if locator[..4] != LOCATOR {
        return Err(missing());
    }
    let at = u64_at(&locator, 8);
    let record: [u8; END64_BYTES] = bytes_at(archive, at)?;
    if record[..4] != END64 || u32_at(&record, 16) != 0 || u32_at(&record, 20) != 0 {
        return Err(missing());
    }
    let start = u64_at(&record, 48);
    let found = Directory {
        entries: u64_at(&record, 32),
        start,
        end: start.checked_add(u64_at(&record, 40)).ok_or_else(missing)?,
    };
    Ok((found, at))
}

fn read_entry(directory: &mut impl Read) -> Result<Entry, Fault> {
    let mut bytes = [0; ENTRY_BYTES];
    directory.read_exact(&mut bytes).map_err(Fault::Read)?;
    if bytes[..4] != ENTRY {
        return Err(broken("the directory holds what is no entry"));
    }
    let mut text = |length: u16| {
        let mut text = vec![0; length.into()];
        directory.read_exact(&mut text).map(|()| text).map_err(Fault::Read)
    };
    let name = text(u16_at(&bytes, 28))?;
    let extra = text(u16_at(&bytes, 30))?;
    text(u16_at(&bytes, 32))?; // The comment.
    if u16_at(&bytes, 8) & ENCRYPTED != 0 {
        return Err(Fault::Refused("encrypted archives are not supported"));
    }
    let mut wide = Wide::of(&extra);
    let (size, packed) = (wide.number(u32_at(&bytes, 24))?, wide.number(u32_at(&bytes, 20))?);
    Ok(Entry {
        name,
        method: u16_at(&bytes, 10),
        crc: u32_at(&bytes, 16),
        packed,
        size,
        mode: UNIX.contains(&bytes[5]).then(|| u32_at(&bytes, 38) >> 16),
        header: wide.number(u32_at(&bytes, 42))?,
    })
}

/// The numbers of 64 bits of an entry, in the order of the fields that point to them.
struct Wide<'a>(&'a [u8]);

impl Wide<'_> {
    fn of(mut extra: &[u8]) -> Wide<'_> {
        while extra.len() >= 4 {
            let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
            let Some(data) = extra.get(4..4 + length) else { break };
            if id == ZIP64 {
                return Wide(data);
            }
            extra = &extra[4 + length..];
        }
        Wide(&[])
    }

    fn number(&mut self, narrow: u32) -> Result<u64, Fault> {
        if narrow != ELSEWHERE {
            return Ok(narrow.into());
        }
        let (number, rest) = self.0.split_first_chunk().ok_or_else(|| broken("a large number is missing"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*number))
    }
}
