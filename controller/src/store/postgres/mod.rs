//! The stores in Postgres, for any number of controllers.
//!
//! Transactions are READ COMMITTED: each statement sees what was committed before it began, waits for rows that another
//! transaction is changing, and looks at its `WHERE` again when it has them.

pub mod args;
mod listen;
pub mod migrate;
mod pool;
pub(super) mod statement;
mod target;
mod tls;

use std::{path::PathBuf, sync::Arc, time::Duration};

use podling_session::store::StoreError;
use secrecy::SecretString;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::pool::Pool;
pub use self::target::SettingsError;
use super::{
    Clock, Engine, Store,
    error::{Error, NoAnswer},
    tx::{Connection, Kind, Tx},
};

/// A caller has its answer, or none, within a second: what remains of it is for those who pass it on.
const ANSWER: Duration = Duration::from_millis(900);
/// The same for what nobody waits for.
const CHORE: Duration = Duration::from_secs(10);
/// Attempts at a transaction that others stand in the way of.
const ATTEMPTS: usize = 3;
/// How long a database that is just starting is waited for.
const START: Duration = Duration::from_secs(30);
const START_POLL: Duration = Duration::from_millis(500);

/// Which database, and how to reach it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://user:password@host:port/database?sslmode=…`, where the mode is `disable`; `require`, which checks
    /// the certificate against `ca` and not its name; or `verify-full`. On loopback the first is the default, elsewhere
    /// the last.
    pub url: SecretString,
    /// PEM file of the certificate authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Bring the database to the newest schema at the start; else one that is older is refused.
    pub migrate: bool,
    /// The most connections to hold, besides one that listens.
    pub connections: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Connects, and brings the database to the newest schema if it is to.
///
/// # Errors
/// When the settings make no sense, or the database does not answer within half a minute or is not migrated.
pub async fn open(settings: &Settings) -> Result<Arc<Store>, OpenError> {
    open_with_clock(settings, Clock::default()).await
}

/// As [`open`], in a clock that a test may shift.
///
/// # Errors
/// As [`open`].
pub async fn open_with_clock(settings: &Settings, clock: Clock) -> Result<Arc<Store>, OpenError> {
    let target = target::Target::parse(settings)?;
    prepare(&target, settings.migrate).await?;
    let changed = Arc::new(Notify::new());
    let pool = Pool::new(&target, settings.connections);
    let stop = CancellationToken::new();
    let mut listening = JoinSet::new();
    listening.spawn(listen::run(target, changed.clone(), stop.clone()));
    let engine = Engine::Postgres(Postgres { pool, clock, changed: changed.clone(), stop, _listening: listening });
    Ok(Arc::new(Store { engine, changed }))
}

async fn prepare(target: &target::Target, migrate: bool) -> Result<(), StoreError> {
    let deadline = Instant::now() + START;
    loop {
        let prepared = if migrate { migrate::apply(target).await.map(drop) } else { migrate::check(target).await };
        match prepared {
            Err(StoreError::Unavailable(error)) if Instant::now() < deadline => {
                warn!(error = &*error as &dyn std::error::Error, "the database is not there yet");
                sleep(START_POLL).await;
            }
            prepared => return prepared,
        }
    }
}

pub(super) struct Postgres {
    pool: Pool,
    clock: Clock,
    changed: Arc<Notify>,
    stop: CancellationToken,
    /// Ends with this.
    _listening: JoinSet<()>,
}

impl Postgres {
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.pool.close();
    }

    pub(super) async fn run<T>(
        &self,
        kind: Kind,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync,
    ) -> Result<T, StoreError> {
        let patience = if kind == Kind::Chore { CHORE } else { ANSWER };
        let attempts = async {
            for _ in 1..ATTEMPTS {
                match self.attempt(kind, &work).await {
                    Err(error) if error.is_passing() => {}
                    outcome => return outcome,
                }
            }
            self.attempt(kind, &work).await
        };
        Ok(timeout(patience, attempts).await.map_err(|_| NoAnswer::Slow)??)
    }

    async fn attempt<T>(
        &self,
        kind: Kind,
        work: &(impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync),
    ) -> Result<T, Error> {
        let lent = self.pool.lend().await?;
        if kind == Kind::Look {
            let outcome = work(&Tx::new(Connection::Postgres(lent.client()), None)).await;
            lent.give_back();
            return outcome;
        }
        let now = statement::begin(lent.client()).await?;
        let tx = Tx::new(Connection::Postgres(lent.client()), Some(self.clock.shift(now)));
        let outcome = work(&tx).await;
        let (keep, changed) = (outcome.is_ok() && !tx.is_undone(), tx.has_changed());
        statement::end(lent.client(), keep, changed).await?;
        lent.give_back();
        if keep && changed {
            self.changed.notify_waiters();
        }
        outcome
    }
}
