//! API keys, by their public part.

use std::time::Duration;

use podling_session::{
    principal::Tenant,
    store::{KeyRow, NewKey, OldSecret, Roster},
};

use super::{
    clock::millis,
    error::Error,
    row,
    tx::Tx,
    value::{Row, Value, values},
};

/// How long a key that is revoked or has expired is still listed.
const KEPT_MILLIS: i64 = 30 * 24 * 3_600 * 1_000;
/// Keys that one sweep forgets.
const BATCH: u32 = 1_000;

/// What [`key`] reads.
const KEY: &str = "id, hash, old_hash, old_until, tenant, subject, role, scopes, name, created_at, expires_at, \
    last_used_at, revoked_at";
const COLUMNS: &str = "id, hash, tenant, subject, role, scopes, name, created_at, expires_at";

fn key(row: Row<'_>) -> Result<KeyRow, Error> {
    let old = match row.time("old_until")? {
        Some(until) => Some(OldSecret { hash: row.bytes32("old_hash")?, until }),
        None => None,
    };
    Ok(KeyRow {
        id: row.text("id")?,
        hash: row.bytes32("hash")?,
        old,
        owner: row::owner(row)?,
        role: row.text("role")?.parse()?,
        scopes: row.text("scopes")?.parse()?,
        name: row.text("name")?,
        created_at: row.timestamp("created_at")?,
        expires_at: row.time("expires_at")?,
        last_used_at: row.time("last_used_at")?,
        revoked_at: row.time("revoked_at")?,
    })
}

pub(super) async fn by_id(tx: &Tx<'_>, id: &str) -> Result<Option<KeyRow>, Error> {
    tx.first(&format!("SELECT {KEY} FROM api_keys WHERE id = $1"), values![id], key).await
}

pub(super) async fn add_first(tx: &Tx<'_>, new: &NewKey) -> Result<bool, Error> {
    tx.alone("first-key").await?;
    let none = "NOT EXISTS (SELECT 1 FROM api_keys)";
    Ok(insert(tx, new, none, &[]).await?.is_some())
}

/// Of two that would be the last, the second waits for the first.
pub(super) async fn add(tx: &Tx<'_>, new: &NewKey, max: u32) -> Result<Option<KeyRow>, Error> {
    tx.alone("add-key").await?;
    let room = "(SELECT COUNT(*) FROM api_keys WHERE tenant = $3 AND revoked_at IS NULL \
        AND (expires_at IS NULL OR expires_at > $8)) < $10";
    insert(tx, new, room, values![max]).await
}

async fn insert(tx: &Tx<'_>, new: &NewKey, rule: &str, more: &[Value<'_>]) -> Result<Option<KeyRow>, Error> {
    let sql = format!(
        "INSERT INTO api_keys ({COLUMNS}) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 WHERE {rule} RETURNING {KEY}"
    );
    let scopes = new.scopes.to_string();
    let values: &[Value<'_>] = values![
        &*new.id,
        &new.hash,
        new.owner.tenant.as_str(),
        &*new.owner.subject,
        new.role.as_str(),
        &scopes,
        &new.name,
        tx.now(),
        new.life.map(|life| tx.now().saturating_add(millis(life))),
    ];
    tx.first(&sql, &[values, more].concat(), key).await
}

pub(super) async fn list(
    tx: &Tx<'_>,
    tenant: Option<&Tenant>,
    after: Option<&str>,
    limit: u32,
) -> Result<Roster, Error> {
    let sql = format!(
        "SELECT {KEY} FROM api_keys WHERE id > $1 AND (CAST($2 AS TEXT) IS NULL OR tenant = $2) ORDER BY id LIMIT $3"
    );
    let values = values![after.unwrap_or_default(), tenant.map(Tenant::as_str), i64::from(limit) + 1];
    let mut keys = tx.all(&sql, values, key).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Roster { keys, next })
}

pub(super) async fn revoke(tx: &Tx<'_>, tenant: Option<&Tenant>, id: &str) -> Result<Option<KeyRow>, Error> {
    let sql = format!(
        "UPDATE api_keys SET revoked_at = COALESCE(revoked_at, $3), old_hash = NULL, old_until = NULL \
        WHERE id = $1 AND (CAST($2 AS TEXT) IS NULL OR tenant = $2) RETURNING {KEY}"
    );
    tx.first(&sql, values![id, tenant.map(Tenant::as_str), tx.now()], key).await
}

pub(super) async fn rotate(
    tx: &Tx<'_>,
    tenant: Option<&Tenant>,
    id: &str,
    hash: [u8; 32],
    overlap: Duration,
) -> Result<Option<KeyRow>, Error> {
    let sql = format!(
        "UPDATE api_keys SET old_hash = hash, old_until = $5, hash = $4 \
        WHERE id = $1 AND (CAST($2 AS TEXT) IS NULL OR tenant = $2) AND revoked_at IS NULL \
        AND (expires_at IS NULL OR expires_at > $3) RETURNING {KEY}"
    );
    let until = tx.now().saturating_add(millis(overlap));
    tx.first(&sql, values![id, tenant.map(Tenant::as_str), tx.now(), &hash, until], key).await
}

pub(super) async fn used(tx: &Tx<'_>, ids: &[String]) -> Result<(), Error> {
    for id in ids {
        tx.execute("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", values![id, tx.now()]).await?;
    }
    Ok(())
}

/// Forgets keys that have been good for nothing for a month.
pub(super) async fn prune(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = format!(
        "DELETE FROM api_keys WHERE id IN ( \
        SELECT id FROM api_keys WHERE revoked_at <= $1 OR expires_at <= $1 LIMIT $2 {})",
        tx.skip_locked()
    );
    tx.execute(&sql, values![tx.now() - KEPT_MILLIS, BATCH]).await?;
    Ok(())
}
