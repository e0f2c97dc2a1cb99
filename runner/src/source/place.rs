//! Puts a whole source into the work folder, or nothing of it.
//!
//! Everything lands in a folder inside the target first, on the same file system, and is moved up when it is complete.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use podling_session::source::Format;
use tokio_util::sync::CancellationToken;

use super::{
    Limits, SourceError, entry,
    expand::{Budget, Expanded, TOO_LARGE, TOO_LATE, expanded_max, tar_of},
    part::Part,
    tarball,
    tree::Fault,
    zip,
};

/// One extraction, for a blocking thread.
pub(super) struct Job {
    pub(super) archive: File,
    pub(super) archive_bytes: u64,
    pub(super) format: Format,
    /// What of it is wanted.
    pub(super) part: Part,
    /// Empty.
    pub(super) into: PathBuf,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
    pub(super) stop: CancellationToken,
}

/// Extracts and returns the number of files. When it fails, the target is empty again.
pub(super) fn extract(job: Job) -> Result<u64, SourceError> {
    let Job { archive, archive_bytes, format, part, into, limits, deadline, stop } = job;
    if fs::read_dir(&into).map_err(SourceError::Disk)?.next().is_some() {
        return Err(SourceError::Disk(io::ErrorKind::DirectoryNotEmpty.into()));
    }
    let limits = Limits { expanded_bytes: expanded_max(archive_bytes, limits.expanded_bytes), ..limits };
    let mut budget = Budget { bytes: limits.expanded_bytes, deadline, stop };
    let staging = tempfile::Builder::new().prefix(".podling-source-").tempdir_in(&into).map_err(SourceError::Disk)?;
    let unpacked = match format {
        Format::Zip => zip::unpack(&archive, archive_bytes, staging.path(), limits.entries, &mut budget),
        Format::TarGz | Format::TarZst => {
            tar_of(archive, format).map_err(|error| Fault::Read(error).into()).and_then(|inner| {
                let tar = Expanded { inner, budget: &mut budget };
                tarball::unpack(tar, &part, staging.path(), limits.entries)
            })
        }
    };
    let files = unpacked.map_err(|blame| blame.error(format, &limits))?;
    if files == 0 && part != Part::AsIs {
        return Err(part.folder().map_or(SourceError::Empty, |folder| SourceError::NoFolder { folder }));
    }
    let whole = match part {
        Part::Whole => single_folder(staging.path()).map_err(SourceError::Disk)?,
        Part::AsIs | Part::Below(_) => staging.path().to_owned(),
    };
    // What was moved is no longer in the folder that its guard removes.
    if let Err(error) = move_up(&whole, &into).and_then(|()| staging.close()) {
        empty(&into);
        return Err(SourceError::Disk(error));
    }
    Ok(files)
}

/// A fault, and the entry at which it was met, if at one.
#[derive(Debug)]
pub(super) struct Blame {
    fault: Fault,
    name: Vec<u8>,
}

impl From<Fault> for Blame {
    fn from(fault: Fault) -> Blame {
        Blame { fault, name: Vec::new() }
    }
}

/// Names the entry that is to blame.
pub(super) trait Named<T> {
    fn named(self, name: &[u8]) -> Result<T, Blame>;
}

impl<T> Named<T> for Result<T, Fault> {
    fn named(self, name: &[u8]) -> Result<T, Blame> {
        self.map_err(|fault| Blame { fault, name: name.to_owned() })
    }
}

impl Blame {
    /// For the session's owner, with the limits that were in force.
    fn error(self, format: Format, limits: &Limits) -> SourceError {
        match self.fault {
            Fault::Refused(rule) => SourceError::Entry { name: entry::shown(&self.name), rule },
            Fault::TooMany => SourceError::TooMany { limit: limits.entries },
            Fault::Disk(error) => SourceError::Disk(error),
            Fault::Read(error) if error.kind() == TOO_LARGE => SourceError::Expands { limit: limits.expanded_bytes },
            Fault::Read(error) if error.kind() == TOO_LATE => SourceError::Deadline,
            Fault::Read(source) => SourceError::Damaged { format, source },
        }
    }
}

/// The one folder that holds everything, as archives of repositories have it, or the tree itself.
fn single_folder(tree: &Path) -> io::Result<PathBuf> {
    let mut entries = fs::read_dir(tree)?;
    match (entries.next().transpose()?, entries.next()) {
        (Some(only), None) if only.file_type()?.is_dir() => Ok(only.path()),
        _ => Ok(tree.to_owned()),
    }
}

fn move_up(from: &Path, into: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), into.join(entry.file_name()))?;
    }
    Ok(())
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        let _ = removed; // The error that led here is the one to tell; the session's own clean-up takes the rest.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_cannot_be_moved_leaves_nothing() {
        let into = tempfile::tempdir().expect("a folder");
        let from = into.path().join("staging");
        fs::create_dir_all(from.join("a/b")).expect("made");
        fs::write(from.join("c"), "text").expect("written");
        fs::create_dir(into.path().join("c")).expect("in the way");
        assert!(move_up(&from, into.path()).is_err());
        empty(into.path());
        assert_eq!(fs::read_dir(into.path()).expect("a folder").count(), 0);
    }
}
