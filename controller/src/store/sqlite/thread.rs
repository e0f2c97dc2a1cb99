//! The thread that owns the connection.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use podling_session::store::StoreError;
use rusqlite::Connection;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};
use tracing::{error, warn};

use super::{
    clock::Clock,
    connection,
    error::{Error, NoAnswer},
    leases,
    transaction::{self, Durability, Tx},
};

/// Calls that may wait for the thread. At 50 µs each they are served in milliseconds; a caller that finds the queue
/// full waits, and gives up at `ANSWER`.
const QUEUE: usize = 256;
/// A disk that takes longer than this is down as far as a caller is concerned.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Database) + Send>;

enum Order {
    Run(Job),
    Close,
}

pub(super) struct Thread {
    orders: mpsc::Sender<Order>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

struct Database {
    connection: Connection,
    clock: Clock,
    changed: Arc<Notify>,
    durability: Durability,
}

impl Thread {
    pub(super) async fn start(path: PathBuf, clock: Clock, changed: Arc<Notify>) -> Result<Thread, StoreError> {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let (opened, answer) = oneshot::channel();
        let body = move || match Database::open(&path, clock, changed) {
            Ok(database) => {
                let _ = opened.send(Ok(())); // A caller that gave up drops the sender of orders, which ends the thread.
                serve(database, inbox);
            }
            Err(error) => _ = opened.send(Err(error)),
        };
        let handle = std::thread::Builder::new().name("store".to_owned()).spawn(body).map_err(Error::File)?;
        answer.await.map_err(|_| NoAnswer::Closed)??;
        Ok(Thread { orders, handle: Mutex::new(Some(handle)) })
    }

    /// Runs `work` in a transaction, of any durability if it changes nothing. A caller that is gone before its turn has asked for nothing.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        durability: Option<Durability>,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            if !answer.is_closed() {
                let _ = answer.send(database.transact(durability, work)); // Nobody waits for it any more.
            }
        });
        let asking = async {
            self.orders.send(Order::Run(job)).await.map_err(|_| NoAnswer::Closed)?;
            answered.await.map_err(|_| NoAnswer::Closed)
        };
        let outcome = timeout(ANSWER, asking).await.map_err(|_| NoAnswer::Slow)??;
        Ok(outcome?)
    }

    /// Ends the thread after what was asked before.
    pub(super) async fn close(&self) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(handle) = handle else { return };
        let _ = self.orders.send(Order::Close).await; // It has ended already, then.
        match tokio::task::spawn_blocking(|| handle.join()).await {
            Ok(Ok(())) => {}
            outcome => error!(?outcome, "the thread of the store ended badly"),
        }
    }
}

fn serve(mut database: Database, mut inbox: mpsc::Receiver<Order>) {
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Run(job) => {
                // A job that panics has rolled back and left its caller without an answer; the others have theirs.
                if catch_unwind(AssertUnwindSafe(|| job(&mut database))).is_err() {
                    error!("a transaction of the store panicked");
                }
            }
            Order::Close => inbox.close(), // What was sent before is still received.
        }
    }
    if let Err((_, error)) = database.connection.close() {
        warn!(%error, "the store was not closed cleanly, which costs the next start a recovery");
    }
}

impl Database {
    fn open(path: &std::path::Path, clock: Clock, changed: Arc<Notify>) -> Result<Database, Error> {
        let connection = connection::open(path)?;
        let durability = Durability::Promise;
        durability.apply(&connection)?;
        let mut database = Database { connection, clock, changed, durability };
        database.transact(None, leases::void_all)?;
        Ok(database)
    }

    fn transact<T>(
        &mut self,
        durability: Option<Durability>,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(wanted) = durability.filter(|wanted| *wanted != self.durability) {
            wanted.apply(&self.connection)?;
            self.durability = wanted;
        }
        let (outcome, changed) = transaction::run(&mut self.connection, &self.clock, work)?;
        if changed {
            // Those who wait now, and one who is just about to.
            self.changed.notify_waiters();
            self.changed.notify_one();
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn start() -> (Thread, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("podling.db");
        let thread = Thread::start(path, Clock::default(), Arc::default()).await;
        (thread.expect("it opens"), folder)
    }

    fn keys(tx: &Tx<'_>) -> Result<i64, Error> {
        let count = tx.first("SELECT count(*) FROM quotas", (), |row| Ok(row.get(0)?))?;
        Ok(count.expect("a count is a row"))
    }

    fn add(tx: &Tx<'_>) -> Result<(), Error> {
        tx.execute("INSERT INTO quotas VALUES ('owner', 'a', 'b', 1)", ())?;
        Ok(())
    }

    #[tokio::test]
    async fn a_job_that_panics_is_undone_and_costs_its_caller_alone() {
        let (thread, _folder) = start().await;
        let panics = |tx: &Tx<'_>| -> Result<(), Error> {
            add(tx)?;
            panic!("a bug");
        };
        assert!(matches!(thread.run(None, panics).await, Err(StoreError::Unavailable(_))));
        assert_eq!(thread.run(None, keys).await.expect("the thread lives on"), 0);
    }

    #[tokio::test]
    async fn an_error_and_a_refusal_undo_everything() {
        let (thread, _folder) = start().await;
        let fails = |tx: &Tx<'_>| add(tx).and_then(|()| add(tx));
        assert!(thread.run(Some(Durability::Promise), fails).await.is_err());
        let refuses = |tx: &Tx<'_>| add(tx).map(|()| tx.undo());
        thread.run(Some(Durability::Hint), refuses).await.expect("a refusal is no error");
        assert_eq!(thread.run(None, keys).await.expect("the thread lives on"), 0);
        thread.run(Some(Durability::Hint), add).await.expect("nothing stands in the way");
        assert_eq!(thread.run(None, keys).await.expect("the thread lives on"), 1);
    }
}
