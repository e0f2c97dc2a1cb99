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

use super::{connection, statement::lock, transaction};
use crate::store::{
    Clock,
    error::{Error, NoAnswer},
    leases,
    tx::{Kind, Tx},
    watch,
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
    connection: Mutex<Connection>,
    clock: Clock,
    changed: Arc<Notify>,
    /// What the connection was last told of durability: a promise or a hint.
    kind: Kind,
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

    /// Runs `work` in a transaction. A caller that is gone before its turn has asked for nothing.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl AsyncFnOnce(&Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            if !answer.is_closed() {
                let _ = answer.send(database.transact(kind, work)); // Nobody waits for it any more.
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
    let connection = database.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Err((_, error)) = connection.close() {
        warn!(%error, "the store was not closed cleanly, which costs the next start a recovery");
    }
}

impl Database {
    fn open(path: &std::path::Path, clock: Clock, changed: Arc<Notify>) -> Result<Database, Error> {
        let connection = connection::open(path)?;
        let kind = Kind::Promise;
        connection::make_durable(&connection, kind)?;
        let mut database = Database { connection: Mutex::new(connection), clock, changed, kind };
        database.transact(kind, async |tx: &Tx<'_>| {
            leases::void_all(tx).await?;
            watch::restart(tx).await
        })?;
        Ok(database)
    }

    fn transact<T>(&mut self, kind: Kind, work: impl AsyncFnOnce(&Tx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        if kind != Kind::Look && kind != self.kind {
            connection::make_durable(&lock(&self.connection), kind)?;
            self.kind = kind;
        }
        let (outcome, changed) = transaction::run(&self.connection, &self.clock, work)?;
        if changed {
            self.changed.notify_waiters();
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

    async fn counters(tx: &Tx<'_>) -> Result<i64, Error> {
        let count = tx.first("SELECT count(*) AS count FROM quotas", &[], |row| row.get("count")).await?;
        Ok(count.expect("a count is a row"))
    }

    async fn add(tx: &Tx<'_>) -> Result<(), Error> {
        tx.execute("INSERT INTO quotas (scope, tenant, subject, held) VALUES ('owner', 'a', 'b', 1)", &[]).await?;
        Ok(())
    }

    async fn count(thread: &Thread) -> i64 {
        thread.run(Kind::Look, counters).await.expect("the thread lives on")
    }

    #[tokio::test]
    async fn a_job_that_panics_is_undone_and_costs_its_caller_alone() {
        let (thread, _folder) = start().await;
        let panics = async |tx: &Tx<'_>| -> Result<(), Error> {
            add(tx).await?;
            panic!("a bug");
        };
        assert!(matches!(thread.run(Kind::Hint, panics).await, Err(StoreError::Unavailable(_))));
        assert_eq!(count(&thread).await, 0);
    }

    #[tokio::test]
    async fn an_error_and_a_refusal_undo_everything() {
        let (thread, _folder) = start().await;
        let fails = async |tx: &Tx<'_>| {
            add(tx).await?;
            add(tx).await
        };
        assert!(thread.run(Kind::Promise, fails).await.is_err());
        let refuses = async |tx: &Tx<'_>| add(tx).await.map(|()| tx.undo());
        thread.run(Kind::Hint, refuses).await.expect("a refusal is no error");
        assert_eq!(count(&thread).await, 0);
        thread.run(Kind::Hint, add).await.expect("nothing stands in the way");
        assert_eq!(count(&thread).await, 1);
    }
}
