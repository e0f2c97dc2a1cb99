//! Runners: who they are, where they serve, and when they were last heard of.

use podling_session::{
    id::{Incarnation, RunnerId},
    store::RunnerRow,
};
use rusqlite::Row;
use sha2::{Digest, Sha256};

use super::{error::Error, row, transaction::Tx};

const RUNNER: &str = "id, uid, incarnation, certificate, credential_used, address, registered_at, seen_at";

pub(super) fn by_id(tx: &Tx<'_>, id: RunnerId) -> Result<Option<RunnerRow>, Error> {
    tx.first(&format!("SELECT {RUNNER} FROM runners WHERE id = ?1"), [id.to_string()], runner)
}

pub(super) fn by_life(tx: &Tx<'_>, life: Incarnation) -> Result<Option<RunnerRow>, Error> {
    let sql = format!("SELECT {RUNNER} FROM runners WHERE uid = ?1 AND incarnation = ?2");
    tx.first(&sql, (life.uid.to_string(), life.number), runner)
}

fn runner(row: &Row<'_>) -> Result<RunnerRow, Error> {
    let certificate: Option<Vec<u8>> = row.get("certificate")?;
    Ok(RunnerRow {
        id: row.get::<_, String>("id")?.parse()?,
        life: Incarnation { uid: row::uid(row)?, number: row.get("incarnation")? },
        certificate_hash: certificate.as_ref().map(|bytes| Sha256::digest(bytes).into()),
        certificate: certificate.unwrap_or_default(),
        credential_used: row.get("credential_used")?,
        address: row.get("address")?,
        registered_at: row::time(row, "registered_at")?,
        seen_at: row::time(row, "seen_at")?,
    })
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
