//! A folder as one file: a `.tar.zst` that is the same, byte for byte, for the same files.
//!
//! Left out is what `.gitignore`, `.podlingignore` and git's own exclusions list, and `.git` itself, which holds
//! credentials. Names are sorted; times and owners are fixed; of the mode, only whether a file can be executed is kept. A
//! link to a file of the folder is packed as that file; other links, and whatever is neither file nor folder, cannot be
//! extracted in a sandbox, and are left out and named.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ignore::{DirEntry, WalkBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::error::ClientError;

/// What runners take.
const MAX_ENTRIES: usize = 200_000;
const MAX_FOLDER_BYTES: u64 = 4 << 30;
/// Fast, and most of what there is to gain.
const LEVEL: i32 = 3;

const UNREADABLE: &str = "Make it readable, or list it in .gitignore.";
const TOO_MUCH: &str =
    "List what the command does not need in .gitignore or .podlingignore, or choose a smaller --dir.";

/// A packed folder, in a temporary file that has no name.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) file: File,
    pub(crate) bytes: u64,
    /// 64 lower case hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) contents: Contents,
    /// What could not be packed, and why.
    pub(crate) left_out: Vec<String>,
}

/// What went in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) entries: usize,
    pub(crate) bytes: u64,
}

/// Packs a folder and says how far it is, file by file.
///
/// # Errors
/// When a file cannot be read, changes meanwhile, or the folder is too large.
pub(crate) fn pack(folder: &Path, told: &mut dyn FnMut(Contents)) -> Result<Packed, ClientError> {
    let folder = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
    if !folder.is_dir() {
        return Err(ClientError::here(format!("{} is no folder", folder.display()), "Choose one with --dir."));
    }
    let file = tempfile::tempfile().map_err(|error| unpacked(&error))?;
    let hashing = Hashing { to: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
    let encoder = zstd::Encoder::new(hashing, LEVEL).map_err(|error| unpacked(&error))?;
    let entries = list(&folder)?;
    let is_file = |entry: &&DirEntry| entry.file_type().is_some_and(|kind| kind.is_file());
    let files = entries.iter().filter(is_file).map(|entry| entry.path().to_owned()).collect();
    let (tar, contents) = (tar::Builder::new(encoder), Contents::default());
    let mut packer = Packer { folder, files, tar, contents, left_out: Vec::new() };
    for entry in &entries {
        packer.add(entry)?;
        told(packer.contents);
    }
    let Packer { tar, contents, left_out, .. } = packer;
    let hashing = tar.into_inner().and_then(zstd::Encoder::finish).map_err(|error| unpacked(&error))?;
    let file = hashing.to.into_inner().map_err(|error| unpacked(error.error()))?;
    let sha256 = hashing.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Packed { file, bytes: hashing.bytes, sha256, contents, left_out })
}

fn list(folder: &Path) -> Result<Vec<DirEntry>, ClientError> {
    let mut entries = Vec::new();
    for entry in walk(folder).build() {
        entries.push(entry.map_err(|error| ClientError::here(error.to_string(), UNREADABLE))?);
        if entries.len() > MAX_ENTRIES {
            let message = format!("{} has more than {MAX_ENTRIES} files and folders", folder.display());
            return Err(ClientError::here(message, TOO_MUCH));
        }
    }
    Ok(entries)
}

fn walk(folder: &Path) -> WalkBuilder {
    let mut walk = WalkBuilder::new(folder);
    walk.hidden(false)
        .require_git(false)
        .git_global(false) // What one user's machine ignores is no matter of the folder.
        .add_custom_ignore_filename(".podlingignore")
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(Ord::cmp);
    walk
}

struct Packer<W: Write> {
    /// Absolute, without links.
    folder: PathBuf,
    /// Those that are packed.
    files: HashSet<PathBuf>,
    tar: tar::Builder<W>,
    contents: Contents,
    left_out: Vec<String>,
}

impl<W: Write> Packer<W> {
    fn add(&mut self, entry: &DirEntry) -> Result<(), ClientError> {
        let path = entry.path();
        let name = path.strip_prefix(&self.folder).unwrap_or(path).to_owned();
        let Some(kind) = entry.file_type().filter(|_| !name.as_os_str().is_empty()) else { return Ok(()) };
        if kind.is_dir() {
            return self.put(&name, EntryType::Directory, 0o755, 0, io::empty());
        }
        if kind.is_file() {
            return self.add_file(&name, path);
        }
        let what = match kind.is_symlink() {
            true => match self.linked(path) {
                Some(file) => return self.add_file(&name, &file),
                None => "a link that leads to no file that is packed",
            },
            false => "neither a file nor a folder",
        };
        self.left_out.push(format!("{}: {what}", name.display()));
        Ok(())
    }

    /// The file that a link leads to, if that is packed itself: a link brings nothing along that is to stay here.
    fn linked(&self, link: &Path) -> Option<PathBuf> {
        link.canonicalize().ok().filter(|target| self.files.contains(target))
    }

    fn add_file(&mut self, name: &Path, path: &Path) -> Result<(), ClientError> {
        let open = || -> io::Result<_> {
            let file = File::open(path)?;
            let about = file.metadata()?;
            Ok((file, about))
        };
        let (file, about): (File, fs::Metadata) = open().map_err(|error| unreadable(path, &error))?;
        let mode = if about.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        self.put(name, EntryType::Regular, mode, about.len(), file)
    }

    fn put(&mut self, name: &Path, kind: EntryType, mode: u32, bytes: u64, from: impl Read) -> Result<(), ClientError> {
        self.contents.entries += 1;
        self.contents.bytes += bytes;
        if self.contents.bytes > MAX_FOLDER_BYTES {
            let message = format!("{} has more than {MAX_FOLDER_BYTES} bytes", self.folder.display());
            return Err(ClientError::here(message, TOO_MUCH));
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let mut exact = Exact { from: from.take(bytes), left: bytes };
        self.tar.append_data(&mut header, name, &mut exact).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                ClientError::here(format!("{} changed while it was packed", name.display()), "Run it again.")
            }
            _ => unreadable(name, &error),
        })
    }
}

/// Fails where a file ends before the length that its header has told.
struct Exact<R> {
    from: io::Take<R>,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

struct Hashing<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.to.write(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ClientError {
    let message = format!("{} cannot be read: {error}", path.display());
    ClientError::here(message, UNREADABLE)
}

fn unpacked(error: &io::Error) -> ClientError {
    ClientError::here(format!("the folder cannot be packed: {error}"), "Is there room in the temporary directory?")
}

#[cfg(test)]
mod tests;
