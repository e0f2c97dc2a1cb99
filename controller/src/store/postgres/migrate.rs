//! The schema and its versions. One process at a time changes it; the others wait for its lock.
//!
//! A migration only adds: what an older build reads and writes stays until no such build runs any more. So an older
//! build runs on a newer schema, and a newer one not on an older.

use std::time::Duration;

use podling_session::store::StoreError;
use refinery::{Migration, Runner};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{OpenError, Settings, target::Target};
use crate::store::error::{Error, NoAnswer};

/// The schema, oldest first, and how each step is undone. What was once released is never edited.
const MIGRATIONS: [(&str, &str, &str); 7] = [
    (
        "V1__sessions",
        include_str!("../../../migrations/postgres/V1__sessions.sql"),
        include_str!("../../../migrations/postgres/D1__sessions.sql"),
    ),
    (
        "V2__data_dir",
        include_str!("../../../migrations/postgres/V2__data_dir.sql"),
        include_str!("../../../migrations/postgres/D2__data_dir.sql"),
    ),
    (
        "V3__audit",
        include_str!("../../../migrations/postgres/V3__audit.sql"),
        include_str!("../../../migrations/postgres/D3__audit.sql"),
    ),
    (
        "V4__keys",
        include_str!("../../../migrations/postgres/V4__keys.sql"),
        include_str!("../../../migrations/postgres/D4__keys.sql"),
    ),
    (
        "V5__quotas",
        include_str!("../../../migrations/postgres/V5__quotas.sql"),
        include_str!("../../../migrations/postgres/D5__quotas.sql"),
    ),
    (
        "V6__gateways",
        include_str!("../../../migrations/postgres/V6__gateways.sql"),
        include_str!("../../../migrations/postgres/D6__gateways.sql"),
    ),
    (
        "V7__shares",
        include_str!("../../../migrations/postgres/V7__shares.sql"),
        include_str!("../../../migrations/postgres/D7__shares.sql"),
    ),
];

/// How long a migration may take, with the wait for another process that migrates.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same for a look.
const LOOK: Duration = Duration::from_secs(2);
const HISTORY: &str = "refinery_schema_history";

/// One step of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Such as `V1__sessions`.
    pub name: String,
    pub applied: bool,
}

/// Applies what is missing, and names it.
///
/// # Errors
/// When the database does not answer, or what was applied is not what this build knows.
pub async fn up(settings: &Settings) -> Result<Vec<String>, OpenError> {
    Ok(apply(&Target::parse(settings)?).await?)
}

/// Undoes the newest step and names it; none when there is none. Its data is lost.
///
/// # Errors
/// When the database does not answer, or the newest step is not known to this build.
pub async fn down(settings: &Settings) -> Result<Option<String>, OpenError> {
    let target = Target::parse(settings)?;
    Ok(connected(&target, PATIENCE, async |client| {
        lock(client).await?;
        undo(client).await
    })
    .await?)
}

/// The steps that this build knows, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn status(settings: &Settings) -> Result<Vec<Step>, OpenError> {
    Ok(steps(&Target::parse(settings)?).await?)
}

pub(super) async fn apply(target: &Target) -> Result<Vec<String>, StoreError> {
    connected(target, PATIENCE, async |client| {
        lock(client).await?;
        let report = runner()?.run_async(client).await.map_err(Box::new)?;
        Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
    })
    .await
}

/// Refuses a database that lacks a step.
pub(super) async fn check(target: &Target) -> Result<(), StoreError> {
    match steps(target).await?.into_iter().find(|step| !step.applied) {
        Some(step) => Err(StoreError::Corrupt(format!("{} is not applied: run `podling migrate up`", step.name))),
        None => Ok(()),
    }
}

async fn steps(target: &Target) -> Result<Vec<Step>, StoreError> {
    connected(target, LOOK, async |client| {
        let applied = applied(client).await?;
        let known = MIGRATIONS.iter().zip(1..);
        Ok(known.map(|((name, ..), version)| Step { name: (*name).to_owned(), applied: applied >= version }).collect())
    })
    .await
}

/// The newest version that was applied; zero in an empty database.
async fn applied(client: &Client) -> Result<i32, Error> {
    let sql = format!("SELECT to_regclass('{HISTORY}') IS NOT NULL");
    if !client.query_one(&sql, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let sql = format!("SELECT COALESCE(max(version), 0)::int4 FROM {HISTORY}");
    Ok(client.query_one(&sql, &[]).await?.get(0))
}

async fn undo(client: &mut Client) -> Result<Option<String>, Error> {
    let version = applied(client).await?;
    let Some(index) = usize::try_from(version).ok().and_then(|version| version.checked_sub(1)) else { return Ok(None) };
    let Some((name, _, down)) = MIGRATIONS.get(index) else {
        return Err(Error::Corrupt(format!("version {version} of the schema is not known to this build")));
    };
    let transaction = client.transaction().await?;
    transaction.batch_execute(down).await?;
    transaction.execute(&format!("DELETE FROM {HISTORY} WHERE version = $1"), &[&version]).await?;
    transaction.commit().await?;
    Ok(Some((*name).to_owned()))
}

/// Until the connection ends.
async fn lock(client: &Client) -> Result<(), Error> {
    Ok(client.batch_execute("SELECT pg_advisory_lock(hashtextextended('podling-migrate', 0))").await?)
}

fn runner() -> Result<Runner, Error> {
    let parse = |(name, up, _): &(&str, &str, &str)| Migration::unapplied(name, up).map_err(Box::new);
    let migrations = MIGRATIONS.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Ok(Runner::new(&migrations).set_abort_missing(false))
}

/// On a connection of its own.
async fn connected<T>(
    target: &Target,
    patience: Duration,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, Error>,
) -> Result<T, StoreError> {
    let working = async {
        let (mut client, connection) = target.config().connect(target.tls()).await?;
        tokio::select! {
            done = work(&mut client) => done,
            lost = connection => Err(lost.map_or_else(Error::from, |()| Error::Corrupt("the connection ended".to_owned()))),
        }
    };
    Ok(timeout(patience, working).await.map_err(|_| NoAnswer::Slow)??)
}
