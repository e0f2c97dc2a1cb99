//! Where sessions, runners, events and principals are kept: the adapters of the seams in `podling_session::store`.
//!
//! There are two databases and one set of statements. A statement decides every race itself, in words that both
//! databases speak: a precondition stands in the `WHERE` of the statement that acts on it. What differs stands in [`tx`].

mod audit;
mod beats;
mod belonging;
mod clock;
mod error;
mod events;
mod gateways;
mod keys;
mod leaders;
mod leases;
mod listing;
mod operator;
mod overrides;
mod phases;
pub mod postgres;
mod quotas;
mod row;
mod runners;
mod seams;
mod segments;
mod sessions;
mod shares;
pub mod sqlite;
mod sweep;
mod tidings;
mod tx;
mod value;
mod watch;

use std::{sync::Arc, time::Instant};

use podling_session::store::StoreError;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::clock::Clock;
use self::{
    error::Error,
    tx::{Kind, Tx},
};

/// All stores of one controller. Every call is one transaction, and answers in time or not at all.
pub struct Store {
    engine: Engine,
    changed: Arc<Notify>,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Store {
    /// Lets what was asked before finish, and closes the database. Calls after that are refused as unavailable;
    /// closing again changes nothing.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
    }

    /// The data directory that this database belongs to: from the first call on, the one that was named then. Only
    /// databases outside of any directory are asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn bind(&self, directory: Uuid) -> Result<Uuid, StoreError> {
        self.promise(async move |tx: &Tx<'_>| belonging::bind(tx, directory).await).await
    }

    /// A transaction that only looks, by one statement.
    async fn look<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.run(Kind::Look, work).await
    }

    /// A transaction whose outcome was promised to somebody once this returns.
    async fn promise<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.run(Kind::Promise, work).await
    }

    /// A transaction that may be lost in a power failure.
    async fn hint<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.run(Kind::Hint, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let outcome = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.run(kind, work).await,
            Engine::Postgres(postgres) => postgres.run(kind, work).await,
        };
        metrics::histogram!("podling_store_seconds", "kind" => kind.name()).record(began.elapsed());
        outcome
    }
}
