//! From the bytes of a tar archive to a tree of files, within limits.
//!
//! The archive is read raw, header by header: the crate's own loop would read a long name of any length into memory.

use std::{
    fs::{File, FileTimes},
    io::{self, Read, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use tar::{Archive, Entry, Header, PaxExtensions};

use super::{
    entry::{self, Kind},
    part::Part,
    place::{Blame, Named},
    tree::{Fault, Tree, Twice},
};

/// Of a pax header or a long name.
const MAX_RECORDS_BYTES: u64 = 64 << 10;
const COPY_BYTES: usize = 64 << 10;

/// Writes every entry of the part below `root` and returns the number of files. What was written before an error stays.
pub(super) fn unpack(tar: impl Read, part: &Part, root: &Path, most: u64) -> Result<u64, Blame> {
    let mut tree = Tree::open(root, most, Twice::LastWins)?;
    let mut archive = Archive::new(tar);
    let (mut files, mut ahead) = (0, Ahead::default());
    for entry in archive.entries().map_err(Fault::Read)?.raw(true) {
        let mut entry = entry.map_err(Fault::Read)?;
        let name = ahead.name_of(entry.header());
        let written = unpack_entry(&mut entry, &name, &mut ahead, (part, &mut tree)).named(&name)?;
        files += u64::from(written == Some(Kind::File));
    }
    // To the end, where compressed files keep their checksum.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(Fault::Read)?;
    Ok(files)
}

/// What became of it; `None` when it is not of the part.
fn unpack_entry<R: Read>(
    entry: &mut Entry<'_, R>,
    name: &[u8],
    ahead: &mut Ahead,
    (part, tree): (&Part, &mut Tree),
) -> Result<Option<Kind>, Fault> {
    let kind = entry::kind(entry.header().entry_type(), name);
    match kind {
        Ok(Kind::Records) => ahead.read_records(&records(entry)?)?,
        Ok(Kind::LongName) => ahead.name = Some(long_name(records(entry)?)),
        Ok(Kind::Ignored) => {}
        Ok(Kind::Folder | Kind::File) | Err(_) => {
            ahead.check_size(entry.size())?;
            *ahead = Ahead::default();
            let parts = entry::parts(name).map_err(Fault::Refused)?;
            let Some(parts) = part.of(&parts) else { return Ok(None) };
            if kind.map_err(Fault::Refused)? == Kind::Folder {
                tree.folder(parts)?;
            } else {
                let mode = entry::file_mode(entry.header().mode().map_err(Fault::Read)?);
                write(entry, tree.file(parts, mode)?)?;
            }
        }
    }
    Ok(kind.ok())
}

/// What the entries in front of one say about it.
#[derive(Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Ahead {
    fn name_of(&self, header: &Header) -> Vec<u8> {
        self.name.clone().unwrap_or_else(|| header.path_bytes().into_owned())
    }

    /// Readers that believe one or the other size see different archives, so honest ones agree. They differ only past
    /// the 8 GiB that a header can tell, which no limit admits.
    fn check_size(&self, size: u64) -> Result<(), Fault> {
        match self.size {
            Some(told) if told != size => Err(Fault::Refused("its size is told twice and differently")),
            _ => Ok(()),
        }
    }

    /// Takes the path and the size out of a pax header (POSIX.1-2017, pax, "pax Extended Header").
    fn read_records(&mut self, records: &[u8]) -> Result<(), Fault> {
        for record in PaxExtensions::new(records) {
            let record = record.map_err(Fault::Read)?;
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or(Fault::Refused("its size is not a number"))?);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(Fault::Refused("sparse files are not supported")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The data of an entry that describes the next one.
fn records<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, Fault> {
    if entry.size() > MAX_RECORDS_BYTES {
        return Err(Fault::Refused("what describes the next entry is too long"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(Fault::Read)?;
    Ok(bytes)
}

/// GNU tar ends long names with a NUL.
fn long_name(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn write<R: Read>(entry: &mut Entry<'_, R>, mut file: File) -> Result<(), Fault> {
    let mut left = entry.size();
    let mut buffer = [0; COPY_BYTES];
    while left > 0 {
        let read = entry.read(&mut buffer).map_err(Fault::Read)?;
        if read == 0 {
            return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        file.write_all(&buffer[..read]).map_err(Fault::Disk)?;
        left -= read as u64;
    }
    let modified = Duration::from_secs(entry.header().mtime().map_err(Fault::Read)?);
    match SystemTime::UNIX_EPOCH.checked_add(modified) {
        Some(time) => file.set_times(FileTimes::new().set_modified(time)).map_err(Fault::Disk),
        None => Ok(()),
    }
}
