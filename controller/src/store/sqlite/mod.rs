//! The stores in one SQLite file, for one controller on one machine.
//!
//! One thread owns the connection and runs one transaction after the other, so that a race between two callers is
//! decided by the order in which they ask. The statements still decide every race themselves, in the words that
//! Postgres speaks too: a precondition stands in the `WHERE` of the statement that acts on it.

mod clock;
mod connection;
mod error;
mod events;
mod keys;
mod leases;
mod phases;
mod quotas;
mod row;
mod runners;
mod seams;
mod segments;
mod sessions;
mod sweep;
mod thread;
mod transaction;
mod watch;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use podling_session::store::StoreError;
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

pub use self::clock::Clock;
use self::{
    error::{Error, NoAnswer},
    thread::{ANSWER, Thread},
    transaction::{Durability, Tx},
    watch::Watch,
};

/// All stores of one controller. Every call is one transaction, and answers within seconds or not at all.
pub struct SqliteStore {
    thread: Thread,
    changed: Arc<Notify>,
    watch: Arc<Mutex<Watch>>,
    /// Where commits lie until they are written back into the database.
    wal: PathBuf,
}

/// Opens the file, made with mode 0600 if there is none, and brings it to the newest schema.
///
/// Leases that an earlier process held are void: it is dead, for there is one controller to a file.
///
/// # Errors
/// When the file cannot be read and written, is no database, or was written by a newer build.
pub async fn open(path: &Path) -> Result<Arc<SqliteStore>, StoreError> {
    open_with_clock(path, Clock::default()).await
}

/// As [`open`], in a clock that a test may shift.
///
/// # Errors
/// As [`open`].
pub async fn open_with_clock(path: &Path, clock: Clock) -> Result<Arc<SqliteStore>, StoreError> {
    let changed = Arc::new(Notify::new());
    let thread = Thread::start(path.to_owned(), clock, changed.clone()).await?;
    let opened_at = thread.run(None, |tx| Ok(tx.now)).await?;
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let watch = Arc::new(Mutex::new(Watch::from(opened_at)));
    Ok(Arc::new(SqliteStore { thread, changed, watch, wal: wal.into() }))
}

impl SqliteStore {
    /// Lets what was asked before finish, writes the log back into the file, and closes it. Calls after that are
    /// refused as unavailable; closing again changes nothing.
    pub async fn close(&self) {
        self.thread.close().await;
    }

    /// A transaction that only looks.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.thread.run(None, work).await
    }

    /// A transaction whose outcome was promised to somebody once this returns: it survives a power failure.
    async fn promise<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.thread.run(Some(Durability::Promise), work).await
    }

    /// A transaction that may be lost in a power failure, with all after it, but not when this process is killed:
    /// what it says is said again, or found again on the disk.
    async fn hint<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.thread.run(Some(Durability::Hint), work).await
    }

    /// Returns when what was committed before survives a power failure. The store's thread goes on meanwhile.
    async fn sync(&self) -> Result<(), StoreError> {
        let wal = self.wal.clone();
        let syncing = spawn_blocking(move || match File::open(wal) {
            Ok(wal) => wal.sync_data(),
            // The store was closed, which has put everything into the database.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        });
        let synced = timeout(ANSWER, syncing).await.map_err(|_| NoAnswer::Slow)?;
        Ok(synced.map_err(io::Error::other).flatten().map_err(Error::File)?)
    }
}
