//! A range of a file, read without a position of its own, and the little-endian numbers in what was read.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use super::Fault;

/// The bytes from `at` to `end`.
pub(super) struct Window<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// So many bytes at an offset.
pub(super) fn bytes_at<const N: usize>(file: &File, at: u64) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at).map_err(Fault::Read)?;
    Ok(bytes)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The archive contradicts itself.
pub(super) fn broken(what: &'static str) -> Fault {
    Fault::Read(io::Error::new(io::ErrorKind::InvalidData, what))
}
