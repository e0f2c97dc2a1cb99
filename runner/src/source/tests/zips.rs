//! Zip archives, written byte by byte, so that any of them may lie.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// One entry: what its own header says, what the directory says, and what there is.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    /// The name in the entry's own header.
    pub(super) local_name: Vec<u8>,
    /// As it stands in the archive.
    pub(super) packed: Vec<u8>,
    pub(super) packed_says: u32,
    pub(super) size_says: u32,
    pub(super) crc: u32,
    pub(super) method: u16,
    pub(super) flags: u16,
    /// Of Unix; without one the archive was made elsewhere.
    pub(super) mode: Option<u32>,
    pub(super) extra: Vec<u8>,
    /// Where the directory says that it is, when that is not where it is.
    pub(super) at: Option<u32>,
}

/// A deflated file.
pub(super) fn file(name: &str, content: &[u8]) -> Entry {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(content).expect("memory");
    let packed = deflate.finish().expect("memory");
    Entry { method: 8, packed_says: length(&packed), packed, ..stored(name, content) }
}

/// A file as it is.
pub(super) fn stored(name: &str, content: &[u8]) -> Entry {
    let mut crc = Crc::new();
    crc.update(content);
    Entry {
        name: name.into(),
        local_name: name.into(),
        packed: content.to_owned(),
        packed_says: length(content),
        size_says: length(content),
        crc: crc.sum(),
        method: 0,
        flags: 0,
        mode: Some(0o100_644),
        extra: Vec::new(),
        at: None,
    }
}

pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("small")
}

/// The archive: entries, directory, end.
pub(super) fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.at.unwrap_or(length(&bytes));
        local(&mut bytes, entry);
        central(&mut directory, entry, at);
    }
    let start = length(&bytes);
    let count = u16::try_from(entries.len()).expect("few");
    bytes.extend(&directory);
    bytes.extend(end(count, length(&directory), start));
    bytes
}

/// The record at the end.
pub(super) fn end(count: u16, size: u32, start: u32) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([size.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

/// The archive with a directory that is told in 64 bits.
pub(super) fn zip64(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = zip(entries);
    let end_at = bytes.len() - 22;
    let old: Vec<u8> = bytes.drain(end_at..).collect();
    let number = |at: usize, length: usize| {
        let mut wide = [0; 8];
        wide[..length].copy_from_slice(&old[at..at + length]);
        wide
    };
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([number(8, 2), number(10, 2), number(12, 4), number(16, 4)].concat());
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend((end_at as u64).to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(end(u16::MAX, u32::MAX, u32::MAX));
    bytes
}

/// An extra field of 64-bit numbers.
pub(super) fn wide(numbers: &[u64]) -> Vec<u8> {
    let size = u16::try_from(8 * numbers.len()).expect("few");
    let mut bytes = [1_u16.to_le_bytes(), size.to_le_bytes()].concat();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

fn local(bytes: &mut Vec<u8>, entry: &Entry) {
    bytes.extend(b"PK\x03\x04\x14\0");
    bytes.extend([entry.flags.to_le_bytes(), entry.method.to_le_bytes()].concat());
    bytes.extend([0; 4]);
    // What follows the content is not known in front of it.
    let sizes = if entry.flags & 8 == 0 { [entry.crc, entry.packed_says, entry.size_says] } else { [0; 3] };
    bytes.extend(sizes.map(u32::to_le_bytes).concat());
    let name = u16::try_from(entry.local_name.len()).expect("short");
    bytes.extend([name.to_le_bytes(), [0, 0]].concat());
    bytes.extend(&entry.local_name);
    bytes.extend(&entry.packed);
    if entry.flags & 8 != 0 {
        bytes.extend(b"PK\x07\x08");
        bytes.extend([entry.crc, entry.packed_says, entry.size_says].map(u32::to_le_bytes).concat());
    }
}

fn central(bytes: &mut Vec<u8>, entry: &Entry, at: u32) {
    let made_by = if entry.mode.is_some() { 3 } else { 0 };
    bytes.extend(b"PK\x01\x02");
    bytes.extend([20, made_by, 20, 0]);
    bytes.extend([entry.flags.to_le_bytes(), entry.method.to_le_bytes()].concat());
    bytes.extend([0; 4]);
    bytes.extend([entry.crc, entry.packed_says, entry.size_says].map(u32::to_le_bytes).concat());
    let name = u16::try_from(entry.name.len()).expect("short");
    let extra = u16::try_from(entry.extra.len()).expect("short");
    bytes.extend([name, extra, 0, 0, 0].map(u16::to_le_bytes).concat());
    bytes.extend((entry.mode.unwrap_or(0) << 16).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend(&entry.name);
    bytes.extend(&entry.extra);
}
