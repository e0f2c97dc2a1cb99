//! The one directory in which the controllers of a machine keep everything, and their claim on it.
//!
//! With a store in the directory one controller has it alone; those that have a store in common elsewhere share it, too.
//! Each looks after all that is below, so none may share it with controllers of another store: it would clear away what
//! is theirs.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long a start waits for those that began before it.
const TURN: Duration = Duration::from_secs(60);
/// How often it looks whether it is its turn; a lock of the kernel wakes nobody who does not block.
const TURN_POLL: Duration = Duration::from_millis(20);
/// The description of a store is short.
const MAX_STORE_BYTES: u64 = 4096;
/// And so is a UUID.
const MAX_ID_BYTES: u64 = 64;

#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} is in use by another process of Podling", .0.display())]
    InUse(PathBuf),
    #[error("{} is in use by controllers of another database, {store}", .path.display())]
    OtherStore { path: PathBuf, store: String },
    #[error(
        "the database belongs to the controllers of another data directory, {owner}, and {} is {id}: its controllers \
         would take each other's runners for lost. Start with that directory, which all of a database share, or with \
         a database of this one's own", .path.display()
    )]
    OtherDirectory { path: PathBuf, id: Uuid, owner: Uuid },
    #[error("{} must be a plain file with the id of the data directory, a UUID", .0.display())]
    NotAnId(PathBuf),
    #[error("{} must belong to the user who runs this, and nobody else may write to it", .0.display())]
    NotOurs(PathBuf),
    #[error("{} must be a plain file of 32 bytes with mode 0600", .0.display())]
    NotAKey(PathBuf),
}

/// With whom a process uses the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    Alone,
    /// With all who name the same store.
    Sharing {
        store: String,
    },
}

/// A data directory, used as it was claimed as long as the value lives.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    /// The kernel releases it however we end.
    _claim: File,
}

/// The right to make what is missing in a directory, for one process at a time: keys, the first rows, sockets.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "the lock is held")] File);

impl DataDir {
    /// Makes the directory if there is none, claims it, and takes the turn.
    ///
    /// # Errors
    /// When it cannot be made, others may write to it, or another process has it.
    pub async fn claim(path: &Path, with: &Use) -> Result<(DataDir, Turn), DataDirError> {
        let at = |error| DataDirError::File(path.to_owned(), error);
        for directory in
            [path.to_owned(), path.join("keys"), path.join("blobs"), path.join("control"), path.join("cache")]
        {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at)?;
        }
        let root = path.canonicalize().map_err(at)?;
        // Whoever else may write here could put files of their own in place of ours.
        let about = std::fs::metadata(&root).map_err(at)?;
        if about.mode() & 0o022 != 0 || about.uid() != rustix::process::geteuid().as_raw() {
            return Err(DataDirError::NotOurs(root));
        }
        let turn = turn(&root.join("turn")).await.map_err(at)?;
        let lock = open_lock(&root.join("lock")).map_err(at)?;
        let claimed = match with {
            Use::Alone => alone(&lock).map_err(at)?,
            Use::Sharing { store } => match share(&lock, store).map_err(at)? {
                Shared::WithOurs => true,
                Shared::WithAnother(store) => return Err(DataDirError::OtherStore { path: root, store }),
                Shared::Not => false,
            },
        };
        if !claimed {
            return Err(DataDirError::InUse(root));
        }
        Ok((DataDir { root, _claim: lock }, Turn(turn)))
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

    /// Where runners keep archives for one another. It may be emptied at any time.
    pub fn source_cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Where the keys of session tokens lie.
    pub fn signing_keys(&self) -> PathBuf {
        self.root.join("keys/signing")
    }

    /// The directory of the sockets where runners and gateways of this machine reach the controllers.
    pub fn control_sockets(&self) -> PathBuf {
        self.root.join("control")
    }

    /// What tells this directory from others, made at random where there is none, for which the caller has the turn.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn id(&self) -> Result<Uuid, DataDirError> {
        let path = self.root.join("id");
        let at = |error| DataDirError::File(path.clone(), error);
        if !path.try_exists().map_err(at)? {
            write_once(&path, format!("{}\n", Uuid::new_v4()).as_bytes()).map_err(at)?;
        }
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path).map_err(at)?;
        let mut text = String::new();
        file.take(MAX_ID_BYTES).read_to_string(&mut text).map_err(at)?;
        text.trim_end().parse().map_err(|_| DataDirError::NotAnId(path.clone()))
    }

    /// The key under which secrets are sealed at rest, made at random where there is none, for which the caller has the turn.
    ///
    /// # Errors
    /// When it cannot be read or made, or others could have read it.
    pub fn root_key(&self) -> Result<[u8; 32], DataDirError> {
        let path = self.root.join("keys/seal.key");
        let at = |error| DataDirError::File(path.clone(), error);
        if !path.try_exists().map_err(at)? {
            write_once(&path, &rand::random::<[u8; 32]>()).map_err(at)?;
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

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

async fn turn(path: &Path) -> io::Result<File> {
    let (file, deadline) = (open_lock(path)?, Instant::now() + TURN);
    while !alone(&file)? {
        if Instant::now() >= deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "another controller is starting for too long"));
        }
        sleep(TURN_POLL).await;
    }
    Ok(file)
}

/// Whether the lock is ours.
fn alone(file: &File) -> io::Result<bool> {
    locked(file, FlockOperation::NonBlockingLockExclusive)
}

fn locked(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        held => Ok(held.map(|()| true)?),
    }
}

enum Shared {
    WithOurs,
    WithAnother(String),
    Not,
}

/// The first writes down whose store it is. The caller has the turn, so nobody else is between these steps.
fn share(mut file: &File, store: &str) -> io::Result<Shared> {
    if alone(file)? {
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(store.as_bytes())?;
    }
    if !locked(file, FlockOperation::NonBlockingLockShared)? {
        return Ok(Shared::Not);
    }
    let mut named = String::new();
    file.rewind()?;
    file.take(MAX_STORE_BYTES).read_to_string(&mut named)?;
    Ok(if named == store { Shared::WithOurs } else { Shared::WithAnother(named) })
}

/// Written beside and moved: a key that a crash cut short would leave everything sealed under it lost.
fn write_once(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Without the turn, which the next needs.
    async fn claim(path: &Path, with: &Use) -> Result<DataDir, DataDirError> {
        DataDir::claim(path, with).await.map(|(data, _turn)| data)
    }

    fn sharing(store: &str) -> Use {
        Use::Sharing { store: store.to_owned() }
    }

    #[tokio::test]
    async fn a_data_directory_has_one_user_or_those_of_one_store() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("deep/data");
        let first = claim(&path, &Use::Alone).await.expect("free");
        assert!(matches!(claim(&path, &Use::Alone).await, Err(DataDirError::InUse(_))));
        assert!(matches!(claim(&path, &sharing("a")).await, Err(DataDirError::InUse(_))));
        drop(first);
        let first = claim(&path, &sharing("a")).await.expect("free again");
        let second = claim(&path, &sharing("a")).await.expect("the same store");
        assert!(
            matches!(claim(&path, &sharing("b")).await, Err(DataDirError::OtherStore { store, .. }) if store == "a")
        );
        assert!(matches!(claim(&path, &Use::Alone).await, Err(DataDirError::InUse(_))));
        drop(first);
        assert!(matches!(claim(&path, &sharing("b")).await, Err(DataDirError::OtherStore { .. })));
        drop(second);
        let _other = claim(&path, &sharing("b")).await.expect("nobody has it");
        claim(&path, &sharing("b")).await.expect("the store is another now");
    }

    #[tokio::test]
    async fn one_process_at_a_time_makes_what_is_missing() {
        let root = tempfile::tempdir().expect("a directory");
        let (first, turn) = DataDir::claim(root.path(), &sharing("a")).await.expect("free");
        let with = sharing("a");
        let second = DataDir::claim(root.path(), &with);
        tokio::pin!(second);
        let waiting = tokio::time::timeout(TURN_POLL * 2, second.as_mut()).await;
        assert!(waiting.is_err(), "it did not wait for its turn");
        let key = first.root_key().expect("made");
        drop(turn);
        assert_eq!(second.await.expect("its turn").0.root_key().expect("read"), key);
    }

    #[tokio::test]
    async fn a_directory_that_others_may_write_to_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        for (mode, good) in [(0o755, true), (0o700, true), (0o775, false), (0o777, false), (0o1777, false)] {
            std::fs::set_permissions(root.path(), PermissionsExt::from_mode(mode)).expect("ours");
            match claim(root.path(), &Use::Alone).await {
                Ok(_) => assert!(good, "{mode:o}"),
                Err(error) => assert!(!good && matches!(error, DataDirError::NotOurs(_)), "{mode:o}: {error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_data_directory_keeps_its_id_and_no_two_have_the_same() {
        let (root, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let data = claim(root.path(), &sharing("a")).await.expect("free");
        let id = data.id().expect("made");
        assert_eq!(data.id().expect("read"), id);
        assert_ne!(claim(other.path(), &sharing("a")).await.expect("free").id().expect("made"), id);
        std::fs::write(root.path().join("id"), "").expect("ours");
        assert!(matches!(data.id(), Err(DataDirError::NotAnId(_))), "a new one would let two directories in");
    }

    #[tokio::test]
    async fn the_root_key_is_made_once_and_refused_when_others_may_read_it() {
        let root = tempfile::tempdir().expect("a directory");
        let data = claim(root.path(), &Use::Alone).await.expect("free");
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
