//! The contract in SQLite, and what is SQLite's own.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use podling_controller::store::{Clock, Store, sqlite};
use podling_session::{
    audit::{Action, Entry},
    store::{Created, StoreError, Work},
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};

use super::world::*;

struct Sqlite {
    store: Arc<Store>,
    clock: Clock,
    folder: TempDir,
}

impl World for Sqlite {
    type Store = podling_controller::store::Store;

    fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.folder.path().join("podling.db")
    }

    /// What is on the disk at this moment, as a process that is killed now leaves it.
    async fn killed(&self) -> Sqlite {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["podling.db", "podling.db-wal"] {
            fs::copy(self.folder.path().join(name), folder.path().join(name)).expect("the file is there");
        }
        open(folder).await
    }
}

async fn open(folder: TempDir) -> Sqlite {
    let clock = Clock::default();
    let store = sqlite::open_with_clock(&folder.path().join("podling.db"), clock.clone()).await.expect("it opens");
    Sqlite { store, clock, folder }
}

async fn fresh() -> Sqlite {
    open(tempfile::tempdir().expect("a folder")).await
}

super::contract!(fresh);

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_answered() {
    let world = fresh().await;
    let pending = create(&world, new()).await;
    let running = run(&world, new()).await;
    assert!(end(&world, running.life()).await);
    let after = world.killed().await;
    assert_eq!(find(&after, pending.life()).await, find(&world, pending.life()).await);
    assert_eq!(find(&after, running.life()).await, find(&world, running.life()).await);
    assert_eq!(after.store.events(running.uid, 0).await.expect("it answers").len(), 4);
}

#[tokio::test]
async fn leases_of_a_killed_process_are_void() {
    let world = fresh().await;
    let made = create(&world, new()).await;
    assert!(claim(&world).await.is_some());
    assert_eq!(claim(&world).await, None);
    assert_eq!(claim(&world.killed().await).await, Some(Work::Launch(made)));
}

#[tokio::test]
async fn a_session_outlives_an_orderly_restart() {
    let world = fresh().await;
    let made = create(&world, new()).await;
    world.store.close().await;
    let Sqlite { folder, .. } = world;
    assert_eq!(fs::read_dir(folder.path()).expect("the folder is there").count(), 1, "the log was written back");
    assert_eq!(find(&open(folder).await, made.life()).await, made);
}

#[tokio::test]
async fn a_closed_store_refuses_at_once_and_closes_once() {
    let world = fresh().await;
    let under_way = world.store.create(new());
    let ((), made) = tokio::join!(world.store.close(), under_way);
    assert!(matches!(made, Ok(Created::New(_)) | Err(StoreError::Unavailable(_))), "{made:?}");
    world.store.close().await;
    let begun = Instant::now();
    assert!(matches!(world.store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(world.store.create(new()).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_calls_than_the_queue_holds_are_all_answered() {
    let world = fresh().await;
    let mut tasks = JoinSet::new();
    for _ in 0..1_000 {
        let store = world.store.clone();
        tasks.spawn(async move { store.ping().await.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|answered| answered));
}

#[tokio::test]
async fn only_its_user_reads_the_files() {
    let world = fresh().await;
    create(&world, new()).await;
    let modes = |folder: &Path| -> Vec<u32> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        entries.map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file").permissions().mode()).collect()
    };
    assert_eq!(modes(world.folder.path()), [0o100_600; 3]);
    // A file that came from elsewhere, such as a backup, is closed to others as well.
    world.store.close().await;
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let again = open(world.folder).await;
    assert_eq!(modes(again.folder.path()), [0o100_600; 3]);
}

#[tokio::test]
async fn nothing_of_the_secrets_is_left_in_the_file() {
    let world = fresh().await;
    let planted = b"planted-where-a-dump-would-find-it".repeat(100);
    let mut secret = new();
    secret.sealed.secrets = Some(planted.clone());
    let made = create(&world, secret).await;
    assert!(end(&world, made.life()).await);
    world.store.close().await;
    let file = fs::read(world.path()).expect("the file is there");
    assert!(!file.windows(34).any(|part| part == &planted[..34]));
}

#[tokio::test]
async fn a_locked_file_is_unavailable_for_as_long_as_it_is_locked() {
    let world = fresh().await;
    let other = Connection::open(world.path()).expect("it opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("it locks");
    let begun = Instant::now();
    assert!(matches!(world.store.create(new()).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < 10 * SECOND);
    other.execute_batch("ROLLBACK").expect("it unlocks");
    create(&world, new()).await;
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_told_and_harms_no_other() {
    let world = fresh().await;
    let (bad, good) = (create(&world, new()).await, create(&world, new()).await);
    let other = Connection::open(world.path()).expect("it opens");
    other.execute("UPDATE sessions SET spec = '{' WHERE uid = ?1", [bad.uid.to_string()]).expect("it writes");
    assert!(matches!(world.store.find(bad.uid).await, Err(StoreError::Corrupt(_))));
    assert_eq!(find(&world, good.life()).await, good);
}

async fn opening(path: &Path) -> StoreError {
    match sqlite::open(path).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("podling.db");
    fs::write(&path, b"something else entirely".repeat(1_000)).expect("it writes");
    assert!(matches!(opening(&path).await, StoreError::Corrupt(_)));
    assert!(fs::read(&path).expect("it is still there").starts_with(b"something else"));
}

#[tokio::test]
async fn a_damaged_file_is_told() {
    let world = fresh().await;
    let made = create(&world, new()).await;
    world.store.close().await;
    let mut file = fs::read(world.path()).expect("the file is there");
    file[4_096..].fill(0xff);
    fs::write(world.path(), file).expect("it writes");
    assert!(matches!(opening(&world.path()).await, StoreError::Corrupt(_)), "{}", made.uid);
}

#[tokio::test]
async fn a_file_of_a_newer_build_is_refused() {
    let world = fresh().await;
    world.store.close().await;
    let other = Connection::open(world.path()).expect("it opens");
    let sql = "INSERT INTO refinery_schema_history \
        SELECT 999, 'later', applied_on, checksum FROM refinery_schema_history WHERE version = 1";
    other.execute(sql, []).expect("it writes");
    assert!(matches!(opening(&world.path()).await, StoreError::Corrupt(_)));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_unavailable() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(matches!(opening(&folder.path().join("missing/podling.db")).await, StoreError::Unavailable(_)));
    assert!(matches!(opening(folder.path()).await, StoreError::Unavailable(_)));
    // Read-only even for root, who may run this.
    assert!(matches!(opening(Path::new("/proc/self/cmdline")).await, StoreError::Unavailable(_)));
}

#[tokio::test]
async fn no_entry_of_the_audit_can_be_changed() {
    let world = fresh().await;
    world.store().append(&[(Duration::ZERO, Entry::done(Action::KeyCreate))]).await.expect("the store answers");
    let other = Connection::open(world.path()).expect("the file is there");
    let refused = other.execute("UPDATE audit SET detail = 'x'", []).expect_err("it is append-only");
    assert!(refused.to_string().contains("append-only"), "{refused}");
}
