//! From the bytes of a zip archive to a tree of files, within limits.
//!
//! Read by the directory at the end, as everybody reads them, and each entry again by its own header: readers that
//! believe the one or the other see different archives, so where the two differ the archive is refused. So is one whose
//! entries share bytes, by which a small archive expands without end, and one that has a path twice.
//!
//! Source: PKWARE's APPNOTE.TXT 6.3.10; numbers of sections stand where they are used.

mod directory;
mod local;
mod window;

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

use flate2::Crc;

use super::{
    entry,
    expand::Budget,
    place::{Blame, Named},
    tree::{Fault, Tree, Twice},
};
use directory::{Directory, Entry};
use local::{Data, Taken};

const COPY_BYTES: usize = 64 << 10;

/// Writes every entry below `root` and returns the number of files. What was written before an error stays.
pub(super) fn unpack(
    archive: &File,
    archive_bytes: u64,
    root: &Path,
    most: u64,
    budget: &mut Budget,
) -> Result<u64, Blame> {
    let directory = Directory::find(archive, archive_bytes)?;
    if directory.entries > most {
        return Err(Fault::TooMany.into());
    }
    let mut tree = Tree::open(root, most, Twice::Refused)?;
    let (mut files, mut taken) = (0, Taken::before(directory.start));
    for entry in directory.read(archive) {
        budget.in_time().map_err(Fault::Read)?;
        let entry = entry?;
        files += u64::from(unpack_entry(archive, &entry, (&mut tree, &mut taken), budget).named(&entry.name)?);
    }
    Ok(files)
}

/// Whether it is a file.
fn unpack_entry(
    archive: &File,
    entry: &Entry,
    (tree, taken): (&mut Tree, &mut Taken),
    budget: &mut Budget,
) -> Result<bool, Fault> {
    let is_folder = entry.is_folder()?;
    let parts = entry::parts(&entry.name).map_err(Fault::Refused)?;
    let data = taken.locate(archive, entry)?;
    if is_folder {
        if entry.size > 0 {
            return Err(Fault::Refused("a folder has no content"));
        }
        tree.folder(&parts)?;
        return Ok(false);
    }
    let file = tree.file(&parts, entry.mode.map_or(0o644, entry::file_mode))?;
    write(archive, entry, data, file, budget)?;
    Ok(true)
}

fn write(archive: &File, entry: &Entry, data: Data, mut file: File, budget: &mut Budget) -> Result<(), Fault> {
    let mut content = data.content(archive, entry)?;
    let (mut written, mut crc, mut buffer) = (0, Crc::new(), [0; COPY_BYTES]);
    loop {
        budget.in_time().map_err(Fault::Read)?;
        let read = content.read(&mut buffer).map_err(Fault::Read)?;
        if read == 0 {
            break;
        }
        budget.spend(read as u64).map_err(Fault::Read)?;
        written += read as u64;
        if written > entry.size {
            return Err(Fault::Refused("it is larger than it says"));
        }
        crc.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(Fault::Disk)?;
    }
    if written < entry.size {
        return Err(Fault::Refused("it is smaller than it says"));
    }
    if content.packed() != entry.packed {
        return Err(Fault::Refused("its packed size is not what it says"));
    }
    if crc.sum() != entry.crc {
        return Err(Fault::Refused("its content is not what its CRC says"));
    }
    Ok(())
}
