//! The one directory in which a controller of one machine keeps everything, and its only user's claim on it.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} is in use by another process of Podling", .0.display())]
    InUse(PathBuf),
    #[error("{} must belong to the user who runs this, and nobody else may write to it", .0.display())]
    NotOurs(PathBuf),
    #[error("{} must be a plain file of 32 bytes with mode 0600", .0.display())]
    NotAKey(PathBuf),
}

/// A data directory that this process alone uses, as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// The kernel releases it however we end.
    _claim: File,
}

impl DataDir {
    /// Makes the directory if there is none, and claims it.
    ///
    /// # Errors
    /// When it cannot be made, others may write to it, or another process has it.
    pub fn claim(path: &Path) -> Result<DataDir, DataDirError> {
        let at = |error| DataDirError::File(path.to_owned(), error);
        for directory in [path.to_owned(), path.join("keys"), path.join("blobs")] {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at)?;
        }
        let root = path.canonicalize().map_err(at)?;
        // Whoever else may write here could put files of their own in place of ours.
        let about = std::fs::metadata(&root).map_err(at)?;
        if about.mode() & 0o022 != 0 || about.uid() != rustix::process::geteuid().as_raw() {
            return Err(DataDirError::NotOurs(root));
        }
        let claim = claim(&root.join("lock")).map_err(at)?.ok_or_else(|| DataDirError::InUse(root.clone()))?;
        Ok(DataDir { root, _claim: claim })
    }

    /// Absolute, without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn database(&self) -> PathBuf {
        self.root.join("podling.db")
    }

    /// Terminal logs and, later, other blobs.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Where the keys of session tokens lie.
    pub fn signing_keys(&self) -> PathBuf {
        self.root.join("keys/signing")
    }

    /// Where runners and gateway of this machine reach the controller.
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The key under which secrets are sealed at rest, made at random where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made, or others could have read it.
    pub fn root_key(&self) -> Result<[u8; 32], DataDirError> {
        let path = self.root.join("keys/seal.key");
        let at = |error| DataDirError::File(path.clone(), error);
        if !path.try_exists().map_err(at)? {
            make_key(&path).map_err(at)?;
        }
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).map_err(at)?;
        let about = file.metadata().map_err(at)?;
        let mut bytes = Vec::new();
        file.take(33).read_to_end(&mut bytes).map_err(at)?;
        let exposed = about.mode() & 0o077 != 0 || about.uid() != rustix::process::geteuid().as_raw();
        let key = bytes.try_into().ok().filter(|_| about.is_file() && !exposed);
        key.ok_or_else(|| DataDirError::NotAKey(path.clone()))
    }
}

fn claim(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        held => Ok(held.map(|()| Some(file))?),
    }
}

/// Written beside and moved: a key that a crash cut short would leave everything sealed under it lost.
fn make_key(path: &Path) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&rand::random::<[u8; 32]>())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_data_directory_has_one_user_at_a_time() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("deep/data");
        let first = DataDir::claim(&path).expect("free");
        assert!(matches!(DataDir::claim(&path), Err(DataDirError::InUse(_))));
        drop(first);
        DataDir::claim(&path).expect("free again");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        for (mode, good) in [(0o755, true), (0o700, true), (0o775, false), (0o777, false), (0o1777, false)] {
            std::fs::set_permissions(root.path(), PermissionsExt::from_mode(mode)).expect("ours");
            match DataDir::claim(root.path()) {
                Ok(_) => assert!(good, "{mode:o}"),
                Err(error) => assert!(!good && matches!(error, DataDirError::NotOurs(_)), "{mode:o}: {error}"),
            }
        }
    }

    #[test]
    fn the_root_key_is_made_once_and_refused_when_others_may_read_it() {
        let root = tempfile::tempdir().expect("a directory");
        let data = DataDir::claim(root.path()).expect("free");
        let key = data.root_key().expect("made");
        assert_eq!(data.root_key().expect("read"), key);
        let path = root.path().join("keys/seal.key");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("ours");
        assert!(matches!(data.root_key(), Err(DataDirError::NotAKey(_))));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("ours");
        std::fs::write(&path, [0; 31]).expect("ours");
        assert!(matches!(data.root_key(), Err(DataDirError::NotAKey(_))));
    }
}
