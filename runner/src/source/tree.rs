//! Writes below one folder, name by name from its file descriptor: no path is ever given to the kernel whole.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
};

const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const OPEN_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Why an entry was not written.
#[derive(Debug)]
pub(super) enum Fault {
    Refused(&'static str),
    TooMany,
    /// The archive could not be read on.
    Read(io::Error),
    /// The tree could not be written on.
    Disk(io::Error),
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Fault {
        Fault::Disk(error.into())
    }
}

/// What a second file of the same path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twice {
    /// As with tar, to whose archives people append.
    LastWins,
    /// Where readers disagree about which one counts.
    Refused,
}

/// A tree that grows.
pub(super) struct Tree {
    root: OwnedFd,
    twice: Twice,
    /// The folders on the way to the last entry: the next is mostly beside it.
    open: Vec<(OsString, OwnedFd)>,
    left: u64,
}

impl Tree {
    /// `most` counts files and folders, those too that are only named on the way to a file.
    pub(super) fn open(root: &Path, most: u64, twice: Twice) -> Result<Tree, Fault> {
        Ok(Tree { root: rustix::fs::open(root, OPEN_FOLDER, Mode::empty())?, twice, open: Vec::new(), left: most })
    }

    /// Makes what is missing of a folder and its parents.
    pub(super) fn folder(&mut self, parts: &[&OsStr]) -> Result<BorrowedFd<'_>, Fault> {
        let kept = self.open.iter().zip(parts).take_while(|((name, _), part)| name == *part).count();
        self.open.truncate(kept);
        for part in &parts[kept..] {
            let entered = self.enter(part)?;
            self.open.push((part.into(), entered));
        }
        Ok(self.last())
    }

    /// A new file. `parts` are at least one.
    pub(super) fn file(&mut self, parts: &[&OsStr], mode: u32) -> Result<File, Fault> {
        let Some((name, parents)) = parts.split_last() else { return Err(Fault::Refused("the path names no file")) };
        self.count()?;
        let twice = self.twice;
        let parent = self.folder(parents)?;
        if twice == Twice::LastWins {
            match rustix::fs::unlinkat(parent, *name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR) => return Err(CLASH),
                Err(error) => return Err(error.into()),
            }
        }
        let file = match rustix::fs::openat(parent, *name, NEW_FILE, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => return Err(Fault::Refused("the path is there twice")),
            opened => opened?,
        };
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?; // Not narrowed by the umask.
        Ok(file.into())
    }

    fn enter(&mut self, name: &OsStr) -> Result<OwnedFd, Fault> {
        let made = match rustix::fs::mkdirat(self.last(), name, FOLDER_MODE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let folder = match rustix::fs::openat(self.last(), name, OPEN_FOLDER, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(CLASH),
            opened => opened?,
        };
        if made {
            self.count()?;
            rustix::fs::fchmod(&folder, FOLDER_MODE)?;
        }
        Ok(folder)
    }

    fn last(&self) -> BorrowedFd<'_> {
        self.open.last().map_or(&self.root, |(_, folder)| folder).as_fd()
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or(Fault::TooMany)?;
        Ok(())
    }
}

const CLASH: Fault = Fault::Refused("the path is both a file and a folder");

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::PermissionsExt};

    use super::*;

    fn names(path: &str) -> Vec<&OsStr> {
        path.split('/').map(OsStr::new).collect()
    }

    #[test]
    fn a_later_file_takes_the_place_of_an_earlier_one_and_follows_nothing() {
        let (folder, outside) =
            (tempfile::tempdir().expect("a folder"), tempfile::NamedTempFile::new().expect("a file"));
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).expect("a link");
        std::os::unix::fs::symlink("/tmp", folder.path().join("out")).expect("a link");
        let mut tree = Tree::open(folder.path(), 10, Twice::LastWins).expect("a tree");
        for text in ["first", "second"] {
            let mut file = tree.file(&names("link"), 0o755).expect("a file");
            file.write_all(text.as_bytes()).expect("written");
        }
        let written = folder.path().join("link");
        assert_eq!(std::fs::read_to_string(&written).expect("a file"), "second");
        let metadata = std::fs::symlink_metadata(&written).expect("a file");
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read_to_string(outside.path()).expect("untouched"), "");
        assert!(matches!(tree.file(&names("out/x"), 0o644), Err(Fault::Refused(_))));
        assert!(matches!(tree.folder(&names("link/x")), Err(Fault::Refused(_))));
    }

    #[test]
    fn a_name_is_a_file_or_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tree = Tree::open(folder.path(), 10, Twice::LastWins).expect("a tree");
        tree.file(&names("a/b"), 0o644).expect("a file");
        assert!(matches!(tree.file(&names("a"), 0o644), Err(Fault::Refused(_))));
        assert!(matches!(tree.file(&names("a/b/c"), 0o644), Err(Fault::Refused(_))));
        assert!(matches!(tree.file(&[], 0o644), Err(Fault::Refused(_))));
    }

    #[test]
    fn a_path_that_may_be_there_once_is_refused_the_second_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tree = Tree::open(folder.path(), 10, Twice::Refused).expect("a tree");
        tree.file(&names("a/b"), 0o644).expect("a file");
        for twice in ["a/b", "a"] {
            assert!(matches!(tree.file(&names(twice), 0o644), Err(Fault::Refused(_))), "{twice}");
        }
    }

    #[test]
    fn folders_on_the_way_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut tree = Tree::open(folder.path(), 3, Twice::LastWins).expect("a tree");
        tree.file(&names("a/b/c"), 0o644).expect("three");
        assert!(matches!(tree.file(&names("a/b/d"), 0o644), Err(Fault::TooMany)));
    }
}
