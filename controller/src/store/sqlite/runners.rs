//! Runners: who they are, where they serve, and when they were last heard of.

use std::time::Duration;

use podling_session::{
    id::{Incarnation, LaunchName, RunnerId, Uid},
    store::{RunnerRow, Waiting},
};
use rusqlite::Row;
use sha2::{Digest, Sha256};

use super::{error::Error, row, transaction::Tx};

const RUNNER: &str = "id, launch, uid, incarnation, certificate, credential_used, address, registered_at, seen_at";

pub(super) fn by_id(tx: &Tx<'_>, id: RunnerId) -> Result<Option<RunnerRow>, Error> {
    tx.first(&format!("SELECT {RUNNER} FROM runners WHERE id = ?1"), [id.to_string()], runner)
}

pub(super) fn by_life(tx: &Tx<'_>, life: Incarnation) -> Result<Option<RunnerRow>, Error> {
    let sql = format!("SELECT {RUNNER} FROM runners WHERE uid = ?1 AND incarnation = ?2");
    tx.first(&sql, (life.uid.to_string(), life.number), runner)
}

pub(super) fn by_launch(tx: &Tx<'_>, launch: &LaunchName) -> Result<Option<RunnerRow>, Error> {
    tx.first(&format!("SELECT {RUNNER} FROM runners WHERE launch = ?1"), [launch.as_str()], runner)
}

fn runner(row: &Row<'_>) -> Result<RunnerRow, Error> {
    let uid: Option<Uid> = row.get::<_, Option<String>>("uid")?.map(|uid| uid.parse()).transpose()?;
    let number: Option<u32> = row.get("incarnation")?;
    let certificate: Option<Vec<u8>> = row.get("certificate")?;
    Ok(RunnerRow {
        id: row.get::<_, String>("id")?.parse()?,
        launch: row::launch(row)?,
        life: uid.zip(number).map(|(uid, number)| Incarnation { uid, number }),
        certificate_hash: certificate.as_ref().map(|bytes| Sha256::digest(bytes).into()),
        certificate: certificate.unwrap_or_default(),
        credential_used: row.get("credential_used")?,
        address: row.get("address")?,
        registered_at: row::time(row, "registered_at")?,
        seen_at: row::time(row, "seen_at")?,
    })
}

/// The row of a runner that was launched for `life`.
pub(super) fn insert(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<(), Error> {
    let sql = "INSERT INTO runners (id, launch, uid, incarnation, created_at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT DO NOTHING";
    let name = life.launch_name();
    tx.execute(sql, (id.to_string(), name.as_str(), life.uid.to_string(), life.number, tx.now))?;
    Ok(())
}

pub(super) fn pool(tx: &Tx<'_>, id: RunnerId, launch: &LaunchName) -> Result<(), Error> {
    let sql = "INSERT INTO runners (id, launch, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    tx.execute(sql, (id.to_string(), launch.as_str(), tx.now))?;
    Ok(())
}

pub(super) fn waiting(tx: &Tx<'_>) -> Result<Vec<Waiting>, Error> {
    let sql = "SELECT id, launch, created_at, registered_at FROM runners WHERE uid IS NULL ORDER BY created_at, launch";
    tx.all(sql, (), |row| {
        let age = tx.now - row.get::<_, i64>("created_at")?;
        Ok(Waiting {
            id: row.get::<_, String>("id")?.parse()?,
            launch: row::launch(row)?,
            age: Duration::from_millis(age.try_into().unwrap_or(0)), // Zero when a clock went back.
            registered: row.get::<_, Option<i64>>("registered_at")?.is_some(),
        })
    })
}

/// The compare-and-set: of two that claim one runner, the second changes nothing.
pub(super) fn claim(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<bool, Error> {
    let sql = "UPDATE runners SET uid = ?2, incarnation = ?3, seen_at = ?4 \
        WHERE id = ?1 AND uid IS NULL AND certificate IS NOT NULL";
    Ok(tx.execute(sql, (id.to_string(), life.uid.to_string(), life.number, tx.now))? == 1)
}

pub(super) fn retire(tx: &Tx<'_>, id: RunnerId) -> Result<bool, Error> {
    Ok(tx.execute("DELETE FROM runners WHERE id = ?1 AND uid IS NULL", [id.to_string()])? == 1)
}

/// Takes a claimed runner away from its session.
pub(super) fn part(tx: &Tx<'_>, id: RunnerId, life: Incarnation) -> Result<bool, Error> {
    let sql = "DELETE FROM runners WHERE id = ?1 AND uid = ?2 AND incarnation = ?3";
    Ok(tx.execute(sql, (id.to_string(), life.uid.to_string(), life.number))? == 1)
}

pub(super) fn register(tx: &Tx<'_>, id: RunnerId, certificate: &[u8], address: &str) -> Result<bool, Error> {
    let sql = "UPDATE runners SET certificate = ?2, address = ?3, registered_at = COALESCE(registered_at, ?4), \
        seen_at = ?4 WHERE id = ?1 AND credential_used = 0 AND (certificate IS NULL OR certificate = ?2)";
    let bound = tx.execute(sql, (id.to_string(), certificate, address, tx.now))? == 1;
    if bound {
        tx.changed();
    }
    Ok(bound)
}

pub(super) fn credential_used(tx: &Tx<'_>, id: RunnerId) -> Result<(), Error> {
    let sql =
        "UPDATE runners SET credential_used = 1 WHERE id = ?1 AND credential_used = 0 AND certificate IS NOT NULL";
    if tx.execute(sql, [id.to_string()])? > 0 {
        tx.changed();
    }
    Ok(())
}
