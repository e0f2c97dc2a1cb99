//! The private directory of one local runner, and the lock by which its life is known.
//!
//! A runner inherits the open file description of `lock` and with it the flock(2): the lock is free exactly when no
//! process of the runner is left, whoever saw it die and however often the controller was restarted in between.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use podling_session::id::LaunchName;
use rustix::fs::{FlockOperation, flock};

use super::process::Identity;

/// Probes of this process, one at a time, so that a launch never takes the probe of a free lock for a runner's hold. That of
/// another controller may be taken for one, and then the launch looks again; a hold is never taken for a probe.
static PROBES: Mutex<()> = Mutex::new(());

/// What a launch waits for: a runner that finds no room for its few files at its start is lost, and with it its session.
const ROOM_BYTES: u64 = 8 << 20;

#[derive(Clone, Debug)]
pub(super) struct RunnerDir(PathBuf);

/// What there is of one launch.
pub(super) enum Left {
    Nothing,
    Runner,
    /// A dead runner's directory, and its lock, which keeps a launch from moving in.
    Remains(File),
}

impl RunnerDir {
    pub(super) fn new(runners: &Path, name: &LaunchName) -> RunnerDir {
        RunnerDir(runners.join(name.as_str()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What the runner prints, which is little: its logs.
    pub(super) fn log_file(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.0.join("runner.log"))
    }

    /// Makes what is missing of the directory, closed to everybody else, where there is room for a runner's files.
    pub(super) fn create(&self) -> io::Result<()> {
        let runners = self.0.parent().unwrap_or(&self.0);
        let disk = rustix::fs::statvfs(runners)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_BYTES {
            let message = format!("less than {ROOM_BYTES} bytes are free for {}", runners.display());
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        for path in [self.0.clone(), self.0.join("disk")] {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        Ok(())
    }

    /// The lock, held by the returned file alone; `None` while a runner, or a launch under way, holds it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let _probing = probing();
        loop {
            let file = self.open_lock(true)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                held => held?,
            }
            // A removal may have unlinked it between the two calls: that lock would guard nothing.
            if self.is_current(&file)? {
                return Ok(Some(file));
            }
        }
    }

    pub(super) fn left(&self) -> io::Result<Left> {
        match self.lock() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Left::Nothing),
            lock => Ok(lock?.map_or(Left::Runner, Left::Remains)),
        }
    }

    /// Whether a process may still act for the incarnation. A directory without a lock never had a runner, or its
    /// removal was cut short.
    pub(super) fn is_locked(&self) -> io::Result<bool> {
        let _probing = probing();
        let file = match self.open_lock(false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            free => Ok(free.map(|()| false)?),
        }
    }

    /// Who holds the lock, as the runner itself wrote it down; `None` when it is dead or has not come so far.
    pub(super) fn identity(&self) -> Option<Identity> {
        let stat = std::fs::read_to_string(self.0.join("pid")).ok()?; // Missing and torn files are both "not yet".
        Identity::from_stat(&stat)
    }

    /// Whether the runner has noted that it was assigned, which it does before it begins. A directory that is gone tells
    /// nothing, and so the worst is taken to be true.
    pub(super) fn was_assigned(&self) -> io::Result<bool> {
        Ok(!self.0.try_exists()? || self.0.join("assigned").try_exists()?)
    }

    /// The uid of the command, chosen before its runner was started.
    pub(super) fn uid(&self) -> Option<u32> {
        std::fs::read_to_string(self.0.join("uid")).ok()?.trim().parse().ok()
    }

    pub(super) fn record_uid(&self, uid: u32) -> io::Result<()> {
        // Written beside and moved: a uid that was cut short would read as another one.
        let beside = self.0.join("uid.new");
        std::fs::write(&beside, uid.to_string())?;
        std::fs::rename(beside, self.0.join("uid"))
    }

    /// Removes the directory of a dead runner. The caller holds the lock.
    ///
    /// `remove_dir_all` opens every directory without following links, so nothing that the command planted leads out.
    pub(super) fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn open_lock(&self, create: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).truncate(false).mode(0o600).open(self.0.join("lock"))
    }

    fn is_current(&self, file: &File) -> io::Result<bool> {
        let held = file.metadata()?;
        match std::fs::symlink_metadata(self.0.join("lock")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => Ok(found.map(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()))?),
        }
    }
}

/// The names of all runner directories.
pub(super) fn names(runners: &Path) -> io::Result<Vec<LaunchName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(runners)? {
        // What else lies there is not ours to touch.
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    Ok(names)
}

fn probing() -> MutexGuard<'static, ()> {
    PROBES.lock().unwrap_or_else(PoisonError::into_inner) // It guards no data that a panic could have torn.
}

#[cfg(test)]
mod tests {
    use podling_session::id::{Incarnation, Uid};

    use super::*;

    fn dir(root: &Path) -> RunnerDir {
        let dir = RunnerDir::new(root, &Incarnation { uid: Uid::new(), number: 1 }.launch_name());
        dir.create().expect("a directory");
        dir
    }

    #[test]
    fn a_lock_has_one_holder_and_is_free_when_the_last_copy_is_closed() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = dir(root.path());
        assert!(!dir.is_locked().expect("readable"));
        let held = dir.lock().expect("lockable").expect("free");
        let copy = held.try_clone().expect("a copy of the description");
        drop(held);
        assert!(dir.is_locked().expect("readable"));
        assert!(dir.lock().expect("lockable").is_none());
        drop(copy);
        assert!(!dir.is_locked().expect("readable"));
    }

    #[test]
    fn removal_keeps_what_a_planted_link_points_to() {
        let root = tempfile::tempdir().expect("a directory");
        let outside = root.path().join("outside");
        std::fs::create_dir(&outside).expect("a directory");
        std::fs::write(outside.join("precious"), "x").expect("a file");
        let dir = dir(root.path());
        std::os::unix::fs::symlink(&outside, dir.path().join("disk/link")).expect("a link");
        dir.remove().expect("removable");
        dir.remove().expect("removing nothing is success");
        assert!(outside.join("precious").exists() && !dir.path().exists());
    }

    #[test]
    fn only_launch_names_are_listed() {
        let root = tempfile::tempdir().expect("a directory");
        let ours = dir(root.path());
        std::fs::create_dir(root.path().join("lost+found")).expect("a directory");
        let listed = names(root.path()).expect("readable");
        assert_eq!(listed.iter().map(|name| root.path().join(name.as_str())).collect::<Vec<_>>(), [ours.path()]);
    }
}
