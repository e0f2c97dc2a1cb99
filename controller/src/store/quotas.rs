//! How many sessions an owner and its tenant hold.

use podling_session::principal::Owner;

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

/// One more session. The maximum that stands in the way, if one does; the caller then undoes the transaction.
///
/// The counters stay locked until the transaction ends, so this comes last in it: a tenant's creates wait for one
/// another here.
pub(super) async fn raise(tx: &Tx<'_>, owner: &Owner, per_owner: u32, per_tenant: u32) -> Result<Option<u32>, Error> {
    for (scope, max) in [(Scope::Owner, per_owner), (Scope::Tenant, per_tenant)] {
        if !raise_one(tx, scope.key(owner), max).await? {
            return Ok(Some(max));
        }
    }
    Ok(None)
}

/// One statement, for a counter of zero may be removed at any time.
async fn raise_one(tx: &Tx<'_>, (scope, tenant, subject): (&str, &str, &str), max: u32) -> Result<bool, Error> {
    let sql = "INSERT INTO quotas (scope, tenant, subject, held) SELECT $1, $2, $3, 1 WHERE CAST($4 AS BIGINT) > 0 \
        ON CONFLICT (scope, tenant, subject) DO UPDATE SET held = quotas.held + 1 WHERE quotas.held < $4";
    Ok(tx.execute(sql, values![scope, tenant, subject, max]).await? == 1)
}

/// One session less.
pub(super) async fn lower(tx: &Tx<'_>, owner: &Owner) -> Result<(), Error> {
    for scope in [Scope::Owner, Scope::Tenant] {
        let (scope, tenant, subject) = scope.key(owner);
        let sql = "UPDATE quotas SET held = held - 1 WHERE scope = $1 AND tenant = $2 AND subject = $3 AND held > 0";
        tx.execute(sql, values![scope, tenant, subject]).await?;
    }
    Ok(())
}

/// Removes the counters of those who hold nothing.
pub(super) async fn prune(tx: &Tx<'_>) -> Result<(), Error> {
    let sql = format!(
        "DELETE FROM quotas WHERE held = 0 AND (scope, tenant, subject) IN ( \
        SELECT scope, tenant, subject FROM quotas WHERE held = 0 LIMIT $1 {})",
        tx.skip_locked()
    );
    tx.execute(&sql, values![BATCH]).await?;
    Ok(())
}
