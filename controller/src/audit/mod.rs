//! The audit: verbs and doors tell what was done and what was refused, and one task writes it down.
//!
//! Nobody who tells waits for the store. What was done is kept one by one, and what was refused is counted by kind for a
//! minute, so that strangers cannot fill the table. When the store is down entries wait; when too many wait, those that
//! come are counted, and the count is an entry of its own.

mod board;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use podling_daemon::request::Context;
use podling_session::{
    audit::{AuditFilter, AuditStore, Entry, Record},
    event::Cursor,
    store::StoreError,
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::board::Board;

/// How long entries are gathered for one write.
const TICK: Duration = Duration::from_millis(250);
/// Entries of one transaction, which takes some milliseconds.
const AT_ONCE: usize = 256;
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(5);
/// How often those that are too old are forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// The most that are forgotten at a time; the rest is for the next time.
const FORGET_PASSES: usize = 100;

/// Where entries are told.
pub struct Audit {
    store: Arc<dyn AuditStore>,
    board: Mutex<Board>,
}

impl Audit {
    pub fn new(store: Arc<dyn AuditStore>) -> Audit {
        Audit { store, board: Mutex::default() }
    }

    /// Returns at once. Caller, address and request id are those of the request that is being served, where the entry has
    /// none.
    pub fn record(&self, entry: Entry) {
        let entry = match Context::current() {
            Some(context) => told_by(&context, entry),
            None => entry,
        };
        if !self.lock().tell(entry, Instant::now()) {
            metrics::counter!("podling_audit_overflows_total").increment(1);
        }
    }

    /// # Errors
    /// When the store does not answer.
    pub async fn list(&self, filter: &AuditFilter, after: Cursor, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.store.audit(filter, after, limit).await
    }

    /// Writes down what was told, the refusals only when their minute is over.
    async fn write(&self) {
        loop {
            let told = self.lock().take(AT_ONCE, Instant::now());
            if told.is_empty() {
                return;
            }
            let now = Instant::now();
            let entries: Vec<_> = told.iter().map(|(at, entry)| (now.duration_since(*at), entry.clone())).collect();
            let error: Box<dyn std::error::Error> = match timeout(WRITE, self.store.append(&entries)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.into(),
                Err(late) => late.into(),
            };
            warn!(error, "{} entries of the audit are not stored yet", told.len());
            return self.lock().put_back(told);
        }
    }

    /// What is counted is counted to its end.
    pub async fn flush(&self) {
        self.lock().close(Instant::now());
        self.write().await;
    }

    async fn forget(&self, keep: Duration) {
        for _ in 0..FORGET_PASSES {
            match self.store.forget_audit(keep).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return debug!(%error, "old entries of the audit could not be removed"),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the request says that the entry does not.
fn told_by(context: &Context, entry: Entry) -> Entry {
    Entry {
        by: entry.by.or_else(|| context.caller().cloned()),
        request_id: entry.request_id.or_else(|| Some(context.id.clone())),
        address: entry.address.or(context.address),
        ..entry
    }
}

/// Writes what is told until `stop`, and then what is left; forgets what is older than `keep`.
pub async fn run(audit: Arc<Audit>, keep: Duration, stop: CancellationToken) {
    let (mut write, mut forget) = (interval(TICK), interval(FORGET));
    write.set_missed_tick_behavior(MissedTickBehavior::Delay);
    forget.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = write.tick() => audit.write().await,
            _ = forget.tick() => audit.forget(keep).await,
        }
    }
    audit.flush().await;
}
