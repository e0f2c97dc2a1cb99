//! Links that let others attach. A use is taken by the statement that checks that there is one.

use podling_session::{
    id::Uid,
    share::{MAX_SHARES, NewShare, Redeemed, Share, ShareId},
    token::Scope,
};

use super::{
    clock::{millis, timestamp},
    error::Error,
    row,
    tx::Tx,
    value::{Row, values},
};

const SHARE: &str = "id, read_only, name, max_uses, uses, created_at, expires_at, revoked_at";

pub(super) async fn add(tx: &Tx<'_>, uid: Uid, new: &NewShare) -> Result<Option<Share>, Error> {
    let what = if new.scope == Scope::ReadOnly { "to watch" } else { "to watch and type" };
    let detail = format!("A link {what} was made: {}.", new.id);
    // The row of the session is locked by the change, so that no two count at once.
    let sql = "UPDATE sessions SET events = events + 1 WHERE uid = $1 AND deleted_at IS NULL \
        AND (SELECT count(*) FROM shares WHERE shares.uid = $1) < $2 RETURNING events";
    if !tx.change(uid, sql, values![uid, MAX_SHARES], "share.created", &detail).await? {
        return Ok(None);
    }
    let sql = format!(
        "INSERT INTO shares (id, uid, hash, read_only, name, max_uses, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {SHARE}"
    );
    let (id, read_only) = (new.id.to_string(), i64::from(new.scope == Scope::ReadOnly));
    let (now, end) = (tx.now(), tx.now() + millis(new.life));
    let values = values![&id, uid, &new.hash, read_only, new.name.as_ref(), new.max_uses, now, end];
    tx.first(&sql, values, share).await
}

pub(super) async fn of(tx: &Tx<'_>, uid: Uid) -> Result<Vec<Share>, Error> {
    let sql = format!("SELECT {SHARE} FROM shares WHERE uid = $1 ORDER BY created_at, id");
    tx.all(&sql, values![uid], share).await
}

pub(super) async fn revoke(tx: &Tx<'_>, uid: Uid, id: ShareId) -> Result<Option<Share>, Error> {
    let text = id.to_string();
    let sql = "UPDATE shares SET revoked_at = $3 WHERE uid = $1 AND id = $2 AND revoked_at IS NULL";
    if tx.execute(sql, values![uid, &text, tx.now()]).await? == 1 {
        let sql = "UPDATE sessions SET events = events + 1 WHERE uid = $1 RETURNING events";
        tx.change(uid, sql, values![uid], "share.revoked", &format!("A link was revoked: {id}.")).await?;
    }
    let sql = format!("SELECT {SHARE} FROM shares WHERE uid = $1 AND id = $2");
    tx.first(&sql, values![uid, &text], share).await
}

pub(super) async fn redeem(tx: &Tx<'_>, id: ShareId, hash: [u8; 32]) -> Result<Option<Redeemed>, Error> {
    // Keyed hashes are compared: how far two of them agree tells nobody anything.
    let sql = "UPDATE shares SET uses = uses + 1 WHERE id = $1 AND hash = $2 AND revoked_at IS NULL \
        AND expires_at > $3 AND uses < max_uses AND EXISTS \
        (SELECT 1 FROM sessions WHERE sessions.uid = shares.uid AND deleted_at IS NULL) \
        RETURNING uid, read_only, name";
    let read = |row: Row<'_>| Ok((row.uid("uid")?, scope(row)?, row.get::<Option<String>>("name")?));
    let used = tx.first(sql, values![&id.to_string(), &hash, tx.now()], read).await?;
    let Some((session, scope, name)) = used else { return Ok(None) };
    let sql = "SELECT tenant, subject FROM sessions WHERE uid = $1";
    let owner = tx.first(sql, values![session], row::owner).await?;
    let now = timestamp(tx.now())?;
    Ok(owner.map(|owner| Redeemed { session, owner, scope, name, now }))
}

pub(super) async fn revoked(tx: &Tx<'_>, uid: Uid) -> Result<Vec<ShareId>, Error> {
    let sql = "SELECT id FROM shares WHERE uid = $1 AND revoked_at IS NOT NULL";
    tx.all(sql, values![uid], id).await
}

fn share(row: Row<'_>) -> Result<Share, Error> {
    Ok(Share {
        id: id(row)?,
        scope: scope(row)?,
        name: row.get("name")?,
        max_uses: row.small("max_uses")?,
        uses: row.small("uses")?,
        created_at: row.timestamp("created_at")?,
        expires_at: row.timestamp("expires_at")?,
        revoked_at: row.time("revoked_at")?,
    })
}

fn id(row: Row<'_>) -> Result<ShareId, Error> {
    Ok(row.text("id")?.parse()?)
}

fn scope(row: Row<'_>) -> Result<Scope, Error> {
    Ok(if row.small("read_only")? == 1 { Scope::ReadOnly } else { Scope::ReadWrite })
}
