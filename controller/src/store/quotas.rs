//! How many sessions an owner and its tenant hold, and how many bytes of logs of those that have ended.

use podling_session::{
    principal::Owner,
    store::{Created, NewSession},
};

use super::{error::Error, tx::Tx, value::values};

/// Counters that one sweep removes.
const BATCH: u32 = 1_000;

/// A counter: the owner's own, or its tenant's.
#[derive(Clone, Copy)]
enum Scope {
    Owner,
    Tenant,
}

impl Scope {
    fn key(self, owner: &Owner) -> (&'static str, &str, &str) {
        match self {
            Scope::Owner => ("owner", owner.tenant.as_str(), &owner.subject),
            Scope::Tenant => ("tenant", owner.tenant.as_str(), ""),
        }
    }
}

/// What a counter may hold.
#[derive(Clone, Copy)]
struct Max {
    sessions: u32,
    stored_bytes: u64,
}

/// One more session. What stands in the way, if something does; the caller then undoes the transaction.
///
/// The counters stay locked until the transaction ends, so this comes last in it: a tenant's creates wait for one
/// another here.
pub(super) async fn raise(tx: &Tx<'_>, new: &NewSession) -> Result<Option<Created>, Error> {
    let owner = Max { sessions: new.max_per_owner, stored_bytes: new.max_stored_bytes };
    let tenant = Max { sessions: new.max_per_tenant, stored_bytes: new.max_tenant_stored_bytes };
    for (scope, max) in [(Scope::Owner, owner), (Scope::Tenant, tenant)] {
        let key = scope.key(&new.owner);
        if !raise_one(tx, key, max).await? {
            return refusal(tx, key, max).await.map(Some);
        }
    }
    Ok(None)
}

/// One statement, for a counter of nothing may be removed at any time.
async fn raise_one(tx: &Tx<'_>, (scope, tenant, subject): (&str, &str, &str), max: Max) -> Result<bool, Error> {
    let sql = "INSERT INTO quotas (scope, tenant, subject, held) SELECT $1, $2, $3, 1 \
        WHERE CAST($4 AS BIGINT) > 0 AND CAST($5 AS BIGINT) > 0 ON CONFLICT (scope, tenant, subject) \
        DO UPDATE SET held = quotas.held + 1 WHERE quotas.held < $4 AND quotas.stored_bytes < $5";
    Ok(tx.execute(sql, values![scope, tenant, subject, max.sessions, max.stored_bytes]).await? == 1)
}

async fn refusal(tx: &Tx<'_>, (scope, tenant, subject): (&str, &str, &str), max: Max) -> Result<Created, Error> {
    let sql = "SELECT stored_bytes FROM quotas WHERE scope = $1 AND tenant = $2 AND subject = $3";
    let stored = tx.first(sql, values![scope, tenant, subject], |row| row.unsigned("stored_bytes")).await?;
    match stored.unwrap_or_default() >= max.stored_bytes {
        true => Ok(Created::StorageExceeded { max_bytes: max.stored_bytes }),
        false => Ok(Created::QuotaExceeded { max: max.sessions }),
    }
}

/// One session less, whose log of so many bytes is kept.
pub(super) async fn lower(tx: &Tx<'_>, owner: &Owner, stored_bytes: u64) -> Result<(), Error> {
    for scope in [Scope::Owner, Scope::Tenant] {
        let (scope, tenant, subject) = scope.key(owner);
        let sql = "UPDATE quotas SET held = held - 1, stored_bytes = stored_bytes + $4 \
            WHERE scope = $1 AND tenant = $2 AND subject = $3 AND held > 0";
        tx.execute(sql, values![scope, tenant, subject, stored_bytes]).await?;
    }
    Ok(())
}

/// A log less, as it was counted when its session was released.
pub(super) async fn unstore(tx: &Tx<'_>, owner: &Owner, bytes: u64) -> Result<(), Error> {
    for scope in [Scope::Owner, Scope::Tenant] {
        let (scope, tenant, subject) = scope.key(owner);
        // An earlier build, which does not count bytes, may have removed the counter between.
        let sql = "UPDATE quotas SET stored_bytes = CASE WHEN stored_bytes > $4 THEN stored_bytes - $4 ELSE 0 END \
            WHERE scope = $1 AND tenant = $2 AND subject = $3";
        tx.execute(sql, values![scope, tenant, subject, bytes]).await?;
    }
    Ok(())
}

/// Removes the counters of those who hold nothing.
pub(super) async fn prune(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = format!(
        "DELETE FROM quotas WHERE held = 0 AND stored_bytes = 0 AND (scope, tenant, subject) IN ( \
        SELECT scope, tenant, subject FROM quotas WHERE held = 0 AND stored_bytes = 0 LIMIT $1 {})",
        tx.skip_locked()
    );
    tx.execute(&sql, values![BATCH]).await?;
    Ok(())
}
