//! API keys, by their public part.

use podling_session::{
    principal::{Owner, Role},
    store::KeyRow,
};

use super::{error::Error, row, tx::Tx, value::values};

pub(super) async fn by_id(tx: &Tx<'_>, id: &str) -> Result<Option<KeyRow>, Error> {
    let sql = "SELECT id, hash, tenant, subject, role, created_at FROM api_keys WHERE id = $1";
    tx.first(sql, values![id], |row| {
        Ok(KeyRow {
            id: row.text("id")?,
            hash: row.bytes32("hash")?,
            owner: row::owner(row)?,
            role: row.text("role")?.parse::<Role>()?,
            created_at: row.timestamp("created_at")?,
        })
    })
    .await
}

pub(super) async fn add_first(tx: &Tx<'_>, id: &str, hash: [u8; 32], owner: &Owner, role: Role) -> Result<bool, Error> {
    tx.alone("first-key").await?;
    let sql = "INSERT INTO api_keys (id, hash, tenant, subject, role, created_at) \
        SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM api_keys)";
    let values = values![id, &hash, owner.tenant.as_str(), &*owner.subject, role.as_str(), tx.now()];
    Ok(tx.execute(sql, values).await? == 1)
}
