//! Runners: who they are, where they serve, and when they were last heard of.

use std::time::Duration;

use podling_session::{
    id::{Incarnation, LaunchName, RunnerId},
    store::{RunnerRow, Waiting},
};
use sha2::{Digest, Sha256};

use super::{
    error::Error,
    row,
    tx::Tx,
    value::{Row, values},
};

const RUNNER: &str = "id, launch, uid, incarnation, certificate, credential_used, address, registered_at, seen_at";

pub(super) async fn by_id(tx: &Tx<'_>, id: RunnerId) -> Result<Option<RunnerRow>, Error> {
    tx.first(&format!("SELECT {RUNNER} FROM runners WHERE id = $1"), values![&id.to_string()], runner).await
}

pub(super) async fn by_life(tx: &Tx<'_>, life: Incarnation) -> Result<Option<RunnerRow>, Error> {
    let sql = format!("SELECT {RUNNER} FROM runners WHERE uid = $1 AND incarnation = $2");
    tx.first(&sql, values![life.uid, life.number], runner).await
}

pub(super) async fn by_launch(tx: &Tx<'_>, launch: &LaunchName) -> Result<Option<RunnerRow>, Error> {
    tx.first(&format!("SELECT {RUNNER} FROM runners WHERE launch = $1"), values![launch], runner).await
}

fn runner(row: Row<'_>) -> Result<RunnerRow, Error> {
    let number: Option<i64> = row.get("incarnation")?;
    let life = match (row.uid_if_any("uid")?, number) {
        (Some(uid), Some(_)) => Some(Incarnation { uid, number: row.small("incarnation")? }),
        _ => None,
    };
    let certificate: Option<Vec<u8>> = row.get("certificate")?;
    Ok(RunnerRow {
        id: row.runner_id("id")?,
        launch: row::launch(row)?,
        life,
        certificate_hash: certificate.as_ref().map(|bytes| Sha256::digest(bytes).into()),
        certificate: certificate.unwrap_or_default(),
        credential_used: row.get("credential_used")?,
        address: row.get("address")?,
        registered_at: row.time("registered_at")?,
        seen_at: row.time("seen_at")?,
    })
}

/// The row of a runner that was launched for `life`.
pub(super) async fn insert(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<(), Error> {
    let sql = "INSERT INTO runners (id, launch, uid, incarnation, created_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT DO NOTHING";
    let (id, name) = (id.to_string(), life.launch_name());
    tx.execute(sql, values![&id, &name, life.uid, life.number, tx.now()]).await?;
    Ok(())
}

pub(super) async fn pool(tx: &Tx<'_>, id: RunnerId, launch: &LaunchName) -> Result<(), Error> {
    let sql = "INSERT INTO runners (id, launch, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(sql, values![&id.to_string(), launch, tx.now()]).await?;
    Ok(())
}

pub(super) async fn waiting(tx: &Tx<'_>) -> Result<Vec<Waiting>, Error> {
    let sql = "SELECT id, launch, created_at, registered_at FROM runners WHERE uid IS NULL ORDER BY created_at, launch";
    tx.all(sql, &[], |row| {
        let age = tx.now() - row.get::<i64>("created_at")?;
        Ok(Waiting {
            id: row.runner_id("id")?,
            launch: row::launch(row)?,
            age: Duration::from_millis(age.try_into().unwrap_or(0)), // Zero when a clock went back.
            registered: row.time("registered_at")?.is_some(),
        })
    })
    .await
}

/// The compare-and-set: of two that claim one runner, the second changes nothing and does not wait for the first.
pub(super) async fn claim(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<bool, Error> {
    let sql = format!(
        "UPDATE runners SET uid = $2, incarnation = $3, seen_at = $4 WHERE id = ( \
        SELECT id FROM runners WHERE id = $1 AND uid IS NULL AND certificate IS NOT NULL {})",
        tx.skip_locked()
    );
    Ok(tx.execute(&sql, values![&id.to_string(), life.uid, life.number, tx.now()]).await? == 1)
}

pub(super) async fn retire(tx: &Tx<'_>, id: RunnerId) -> Result<bool, Error> {
    Ok(tx.execute("DELETE FROM runners WHERE id = $1 AND uid IS NULL", values![&id.to_string()]).await? == 1)
}

/// Takes a claimed runner away from its session.
pub(super) async fn part(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<bool, Error> {
    let sql = "DELETE FROM runners WHERE id = $1 AND uid = $2 AND incarnation = $3";
    Ok(tx.execute(sql, values![&id.to_string(), life.uid, life.number]).await? == 1)
}

pub(super) async fn register(tx: &Tx<'_>, id: RunnerId, certificate: &[u8], address: &str) -> Result<bool, Error> {
    let sql = "UPDATE runners SET certificate = $2, address = $3, registered_at = COALESCE(registered_at, $4), \
        seen_at = $4 WHERE id = $1 AND credential_used = FALSE AND (certificate IS NULL OR certificate = $2)";
    let bound = tx.execute(sql, values![&id.to_string(), certificate, address, tx.now()]).await? == 1;
    if bound {
        tx.changed();
    }
    Ok(bound)
}

pub(super) async fn credential_used(tx: &Tx<'_>, id: RunnerId) -> Result<(), Error> {
    let sql = "UPDATE runners SET credential_used = TRUE \
        WHERE id = $1 AND credential_used = FALSE AND certificate IS NOT NULL";
    if tx.execute(sql, values![&id.to_string()]).await? > 0 {
        tx.changed();
    }
    Ok(())
}
