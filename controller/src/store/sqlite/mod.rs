//! The stores in one SQLite file, for one controller on one machine.
//!
//! One thread owns the connection and runs one transaction after the other, so that a race between two callers is
//! decided by the order in which they ask.

mod connection;
pub(super) mod statement;
mod thread;
mod transaction;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use podling_session::store::StoreError;
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};

use self::thread::{ANSWER, Thread};
use super::{
    Clock, Engine, Store,
    error::{Error, NoAnswer},
    tx::{Kind, Tx},
};

/// Opens the file, made with mode 0600 if there is none, and brings it to the newest schema.
///
/// Leases that an earlier process held are void: it is dead, for there is one controller to a file.
///
/// # Errors
/// When the file cannot be read and written, is no database, or was written by a newer build.
pub async fn open(path: &Path) -> Result<Arc<Store>, StoreError> {
    open_with_clock(path, Clock::default()).await
}

/// As [`open`], in a clock that a test may shift.
///
/// # Errors
/// As [`open`].
pub async fn open_with_clock(path: &Path, clock: Clock) -> Result<Arc<Store>, StoreError> {
    let changed = Arc::new(Notify::new());
    let thread = Thread::start(path.to_owned(), clock, changed.clone()).await?;
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    Ok(Arc::new(Store { engine: Engine::Sqlite(Sqlite { thread, wal: wal.into() }), changed }))
}

pub(super) struct Sqlite {
    thread: Thread,
    /// Where commits lie until they are written back into the database.
    wal: PathBuf,
}

impl Sqlite {
    /// Writes the log back into the file.
    pub(super) async fn close(&self) {
        self.thread.close().await;
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl AsyncFnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.thread.run(kind, work).await
    }

    /// Returns when what was committed before survives a power failure. The store's thread goes on meanwhile.
    pub(super) async fn sync(&self) -> Result<(), StoreError> {
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
