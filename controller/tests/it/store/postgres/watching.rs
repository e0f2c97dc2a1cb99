//! What one controller does is seen at another.

use std::time::Duration;

use podling_servers::Postgres as Server;
use podling_session::event::{Cursor, Event};
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, NoTls};

use super::{Postgres, fresh};
use crate::store::world::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watcher_at_one_controller_sees_within_200_ms_what_another_did() {
    let one = fresh().await;
    let other = one.another().await;
    let life = create(&one, new()).await.life();
    heard(&one, &other).await; // It listens from a moment after its opening.
    let mut delays = Vec::new();
    for _ in 0..9 {
        let watching = async {
            loop {
                let changed = other.store.changed();
                let session = find(&other, life).await;
                if session.log.end > 0 {
                    return Instant::now();
                }
                timeout(5 * SECOND, changed).await.expect("the change is told");
            }
        };
        let changing = async {
            one.store.log_end(life, 7).await.expect("the store answers");
            Instant::now()
        };
        let (seen, done) = tokio::join!(watching, changing);
        delays.push(seen.saturating_duration_since(done));
        one.store.log_end(life, 0).await.expect("the store answers");
    }
    delays.sort();
    assert!(delays[4] < Duration::from_millis(200), "{delays:?}");
}

/// Waits until one hears of the other.
async fn heard(one: &Postgres, other: &Postgres) {
    let life = create(one, new()).await.life();
    let deadline = Instant::now() + 5 * SECOND;
    loop {
        let changed = other.store.changed();
        one.store.note(life.uid, "log.gap", "a test").await.expect("the store answers");
        if timeout(Duration::from_millis(200), changed).await.is_ok() {
            return;
        }
        assert!(Instant::now() < deadline, "it does not listen");
    }
}

/// A transaction that writes an event and is committed when the test says so.
async fn connect(world: &Postgres) -> (Client, tokio::task::JoinSet<()>) {
    let url = Server::shared().url(&world.database);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("it connects");
    let mut driving = tokio::task::JoinSet::new();
    driving.spawn(async move { connection.await.expect("it stays connected") });
    (client, driving)
}

/// Follows the feed.
#[derive(Default)]
struct Reader {
    cursor: Cursor,
    seen: Vec<Event>,
}

impl Reader {
    async fn read(&mut self, world: &Postgres) {
        let feed = world.store.feed(self.cursor, 100).await.expect("the store answers");
        self.seen.extend(feed.events);
        self.cursor = feed.next;
    }

    /// Transactions of other tests on the same server hold events back as well.
    async fn read_until(&mut self, world: &Postgres, count: usize) {
        let deadline = Instant::now() + 10 * SECOND;
        while self.seen.len() < count {
            assert!(Instant::now() < deadline, "{:?}", self.seen);
            self.read(world).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_comes_late_is_neither_skipped_nor_told_twice_though_nobody_listened() {
    let world = fresh().await;
    let slow = create(&world, new()).await.uid;
    let fast = create(&world, new()).await.life();
    let mut reader = Reader::default();
    reader.read_until(&world, 2).await;
    let (older, _driving) = connect(&world).await;
    let insert = format!(
        "BEGIN; UPDATE sessions SET events = 2 WHERE uid = '{slow}'; \
        INSERT INTO events (uid, sequence, at, kind, detail) VALUES ('{slow}', 2, 0, 'late', '')"
    );
    older.batch_execute(&insert).await.expect("it writes");
    // Younger in every way, and committed first.
    assert!(end(&world, fast).await);
    reader.read(&world).await;
    assert_eq!(reader.seen.len(), 2, "what an older transaction may yet precede is not told");
    Server::shared().execute(&world.database, CUT).await;
    older.batch_execute("COMMIT").await.expect("it commits");
    assert!(release(&world, fast).await);
    reader.read_until(&world, 5).await;
    reader.read(&world).await;
    let told: Vec<_> = reader.seen[2..].iter().map(|event| (event.uid, event.sequence)).collect();
    assert_eq!(told, [(slow, 2), (fast.uid, 2), (fast.uid, 3)]);
}

/// Ends the connections that listen, in this database.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
    WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query = '')";
