//! API keys, by their public part.

use podling_session::{
    principal::{Owner, Role},
    store::KeyRow,
};

use super::{clock::timestamp, error::Error, row, transaction::Tx};

pub(super) fn by_id(tx: &Tx<'_>, id: &str) -> Result<Option<KeyRow>, Error> {
    let sql = "SELECT id, hash, tenant, subject, role, created_at FROM api_keys WHERE id = ?1";
    tx.first(sql, [id], |row| {
        Ok(KeyRow {
            id: row.get("id")?,
            hash: row::bytes32(row, "hash")?,
            owner: row::owner(row)?,
            role: row.get::<_, String>("role")?.parse::<Role>()?,
            created_at: timestamp(row.get("created_at")?)?,
        })
    })
}

pub(super) fn add_first(tx: &Tx<'_>, id: &str, hash: [u8; 32], owner: &Owner, role: Role) -> Result<bool, Error> {
    let sql = "INSERT INTO api_keys (id, hash, tenant, subject, role, created_at) \
        SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM api_keys)";
    let values = (id, hash, owner.tenant.as_str(), &*owner.subject, role.as_str(), tx.now);
    Ok(tx.execute(sql, values)? == 1)
}
