//! What a controller keeps things with: in its own process and directory, or with others.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use podling_daemon::redis::Redis;
use podling_session::limit::RateLimiter;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    data_dir::{DataDir, Use},
    limit::{MemoryRateLimiter, RedisRateLimiter},
    store::{Store, postgres, sqlite},
};

/// More than a controller has use for, and few enough for some controllers on a Postgres as it is installed.
const CONNECTIONS: usize = 16;

/// Where the session table is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Postgres")]
pub struct PostgresArgs {
    /// The database that controllers share: `postgres://USER:PASSWORD@HOST[:PORT]/DATABASE`. A password belongs in the
    /// environment, where other users cannot read it. Default: a file in the data directory, for a controller that is alone
    #[arg(long, env = "PODLING_POSTGRES", value_name = "URL", hide_env_values = true)]
    pub postgres: Option<SecretString>,

    /// The certificates (PEM) of the authorities that Postgres' own may come from. Default: those of the system
    #[arg(long, env = "PODLING_POSTGRES_CA", value_name = "FILE", requires = "postgres")]
    pub postgres_ca: Option<PathBuf>,

    /// The most connections that a controller holds, besides one that listens
    #[arg(long, env = "PODLING_POSTGRES_CONNECTIONS", value_name = "NUMBER", default_value_t = CONNECTIONS)]
    pub postgres_connections: usize,

    /// Refuse to start on a database that `podling migrate up` has not brought to this build's schema. Default: bring it
    /// there at the start
    #[arg(long, env = "PODLING_POSTGRES_NO_MIGRATE", requires = "postgres")]
    pub postgres_no_migrate: bool,
}

/// Where the session table is. All controllers of a deployment choose alike.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file in the data directory: for one controller.
    Sqlite,
    Postgres(postgres::Settings),
}

impl From<PostgresArgs> for Database {
    fn from(args: PostgresArgs) -> Database {
        let PostgresArgs { postgres, postgres_ca, postgres_connections, postgres_no_migrate } = args;
        let settings = |url| postgres::Settings {
            url,
            ca: postgres_ca,
            migrate: !postgres_no_migrate,
            connections: postgres_connections,
        };
        postgres.map_or(Database::Sqlite, |url| Database::Postgres(settings(url)))
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
            Database::Postgres(settings) => postgres::open(settings).await.context("Postgres cannot be used"),
        }
    }
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
