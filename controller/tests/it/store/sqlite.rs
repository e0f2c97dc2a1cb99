//! The contract in SQLite, and what is SQLite's own.

use std::{sync::Arc, time::Duration};

use podling_controller::store::sqlite::{self, Clock, SqliteStore};
use tempfile::TempDir;

use super::world::*;

struct Sqlite {
    store: Arc<SqliteStore>,
    clock: Clock,
    _folder: TempDir,
}

impl World for Sqlite {
    type Store = SqliteStore;

    fn store(&self) -> &Arc<SqliteStore> {
        &self.store
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

async fn fresh() -> Sqlite {
    let (folder, clock) = (tempfile::tempdir().expect("a folder"), Clock::default());
    let path = folder.path().join("podling.db");
    let store = sqlite::open_with_clock(&path, clock.clone()).await.expect("a fresh file opens");
    Sqlite { store, clock, _folder: folder }
}

super::contract!(fresh);
