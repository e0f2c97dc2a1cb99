//! What a controller keeps things with: in its own process and directory, or with others.

use std::sync::Arc;

use anyhow::Context;
use podling_daemon::redis::Redis;
use podling_session::limit::RateLimiter;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    data_dir::{DataDir, DataDirError, Use},
    limit::{MemoryRateLimiter, RedisRateLimiter},
    store::{
        Store,
        postgres::{self, args::PostgresArgs},
        sqlite,
    },
};

/// Where the session table is. All controllers of a deployment choose alike.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file in the data directory: for one controller.
    Sqlite,
    Postgres(postgres::Settings),
}

impl From<&PostgresArgs> for Database {
    fn from(args: &PostgresArgs) -> Database {
        args.settings().map_or(Database::Sqlite, Database::Postgres)
    }
}

impl Database {
    /// With whom the data directory is used.
    pub(crate) fn sharing(&self) -> Use {
        match self {
            Database::Sqlite => Use::Alone,
            Database::Postgres(settings) => Use::Sharing { store: name(settings.url.expose_secret()) },
        }
    }

    /// # Errors
    /// When it cannot be opened, or cannot be brought to this build's shape.
    pub(crate) async fn open(&self, data: &DataDir) -> anyhow::Result<Arc<Store>> {
        match self {
            Database::Sqlite => sqlite::open(&data.database()).await.context("the session store cannot be opened"),
            Database::Postgres(settings) => {
                let store = postgres::open(settings).await.context("Postgres cannot be used")?;
                own(&store, data).await?;
                Ok(store)
            }
        }
    }
}

/// Each controller compares what the store holds with what its launcher lists, and ends what is missing there. As long
/// as runners are processes beside a data directory, all controllers of a database must list the same one.
async fn own(store: &Store, data: &DataDir) -> anyhow::Result<()> {
    let id = data.id()?;
    let owner = store.bind(id).await.context("the database does not tell which data directory it belongs to")?;
    if owner != id {
        return Err(DataDirError::OtherDirectory { path: data.root().to_owned(), id, owner }.into());
    }
    Ok(())
}

/// Which database a URL names, without the password and whatever else may differ between its users.
fn name(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "a database that cannot be named".to_owned() };
    let host = url.query_pairs().find(|(name, _)| name == "host").map(|(_, host)| host.into_owned());
    let host = host.or_else(|| Some(url.host_str()?.to_owned())).unwrap_or_default();
    format!("{host}:{}{}", url.port().unwrap_or(5432), url.path())
}

/// In this process, or in Redis for all controllers together.
pub(crate) enum Limiter {
    Memory(Arc<MemoryRateLimiter>),
    Redis(Arc<RedisRateLimiter>),
}

impl From<Option<Arc<Redis>>> for Limiter {
    fn from(redis: Option<Arc<Redis>>) -> Limiter {
        match redis {
            Some(redis) => Limiter::Redis(Arc::new(RedisRateLimiter::new(redis))),
            None => Limiter::Memory(Arc::new(MemoryRateLimiter::new())),
        }
    }
}

impl Limiter {
    pub(crate) fn seam(&self) -> Arc<dyn RateLimiter> {
        match self {
            Limiter::Memory(limiter) => limiter.clone(),
            Limiter::Redis(limiter) => limiter.clone(),
        }
    }

    /// Forgets what is not needed any more, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        match self {
            Limiter::Memory(limiter) => limiter.run(stop).await,
            Limiter::Redis(_) => stop.cancelled().await, // Its keys expire by themselves.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password_and_alike_by_all_who_use_it() {
        let check = |url: &str, named: &str| assert_eq!(name(url), named);
        check("postgres://a:hunter2@db.example/podling?sslmode=require", "db.example:5432/podling");
        check("postgres://b@db.example:5432/podling", "db.example:5432/podling");
        check("postgres:///podling?host=/run/postgresql", "/run/postgresql:5432/podling");
        assert!(!name("hunter2").contains("hunter2"));
    }
}
