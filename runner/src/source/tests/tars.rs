//! Tar archives, honest and otherwise, and how they are compressed.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// One top folder with a hidden file and a program in it.
pub(super) fn small() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, EntryType::Directory, b"top/", 0o700, b"");
    add(&mut tar, EntryType::Regular, b"top/.env", 0o600, b"A=1\n");
    add(&mut tar, EntryType::Regular, b"top/bin/run", 0o6711, b"#!/bin/sh\n");
    gzip(&tar.into_inner().expect("finished"))
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// Writes a header as it is told, without the builder's own checks.
pub(super) fn add(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], mode: u32, data: &[u8]) {
    let mut header = header(kind, name, data.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    tar.append(&header, data).expect("memory");
}

pub(super) fn header(kind: EntryType, name: &[u8], size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header.set_link_name("/etc/passwd").expect("short");
    header.set_cksum();
    header
}

/// A file that an honest archive would hold too, then these entries.
pub(super) fn archive(entries: &[(EntryType, &[u8], &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, EntryType::Regular, b"honest", 0o644, b"text");
    for (kind, name, data) in entries {
        add(&mut tar, *kind, name, 0o644, data);
    }
    gzip(&tar.into_inner().expect("finished"))
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}

/// A record of a pax header; its length counts itself.
pub(super) fn record(key: &str, value: &str) -> Vec<u8> {
    let body = format!(" {key}={value}\n");
    let length = (body.len()..).find(|length| length.to_string().len() + body.len() == *length).expect("one");
    format!("{length}{body}").into_bytes()
}
