//! Puts a whole source into the work folder, or nothing of it.
//!
//! Everything lands in a folder inside the target first, on the same file system, and is moved up when it is complete.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use super::{
    Limits, SourceError,
    archive::{Bounds, unpack},
    expand::{Expanded, expanded_max},
};

/// One extraction, for a blocking thread.
pub(super) struct Job {
    pub(super) archive: File,
    pub(super) archive_bytes: u64,
    /// Empty.
    pub(super) into: PathBuf,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
    pub(super) stop: CancellationToken,
}

/// Extracts and returns the number of files. When it fails, the target is empty again.
pub(super) fn extract(job: Job) -> Result<u64, SourceError> {
    let into = job.into;
    if fs::read_dir(&into).map_err(SourceError::Disk)?.next().is_some() {
        return Err(SourceError::Disk(io::ErrorKind::DirectoryNotEmpty.into()));
    }
    let expanded_bytes = expanded_max(job.archive_bytes, job.limits.expanded_bytes);
    let expanded = Expanded::open(job.archive, expanded_bytes, job.deadline, job.stop).map_err(SourceError::Disk)?;
    let staging = tempfile::Builder::new().prefix(".podling-source-").tempdir_in(&into).map_err(SourceError::Disk)?;
    let files = unpack(expanded, staging.path(), Bounds { expanded_bytes, entries: job.limits.entries })?;
    let whole = single_folder(staging.path()).map_err(SourceError::Disk)?;
    // What was moved is no longer in the folder that its guard removes.
    if let Err(error) = move_up(&whole, &into).and_then(|()| staging.close()) {
        empty(&into);
        return Err(SourceError::Disk(error));
    }
    Ok(files)
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
