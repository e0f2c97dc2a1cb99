//! How many sessions an owner and its tenant hold.

use podling_session::principal::Owner;

use super::{error::Error, transaction::Tx};

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
pub(super) fn raise(tx: &Tx<'_>, owner: &Owner, per_owner: u32, per_tenant: u32) -> Result<Option<u32>, Error> {
    for (scope, max) in [(Scope::Owner, per_owner), (Scope::Tenant, per_tenant)] {
        if !raise_one(tx, scope.key(owner), max)? {
            return Ok(Some(max));
        }
    }
    Ok(None)
}

fn raise_one(tx: &Tx<'_>, (scope, tenant, subject): (&str, &str, &str), max: u32) -> Result<bool, Error> {
    let sql = "INSERT INTO quotas (scope, tenant, subject, held) VALUES (?1, ?2, ?3, 0) ON CONFLICT DO NOTHING";
    tx.execute(sql, (scope, tenant, subject))?;
    let sql = "UPDATE quotas SET held = held + 1 WHERE scope = ?1 AND tenant = ?2 AND subject = ?3 AND held < ?4";
    Ok(tx.execute(sql, (scope, tenant, subject, max))? == 1)
}

/// One session less.
pub(super) fn lower(tx: &Tx<'_>, owner: &Owner) -> Result<(), Error> {
    for scope in [Scope::Owner, Scope::Tenant] {
        let sql = "UPDATE quotas SET held = held - 1 WHERE scope = ?1 AND tenant = ?2 AND subject = ?3 AND held > 0";
        tx.execute(sql, scope.key(owner))?;
    }
    Ok(())
}

/// Removes the counters of those who hold nothing.
pub(super) fn prune(tx: &Tx<'_>) -> Result<(), Error> {
    tx.execute("DELETE FROM quotas WHERE held = 0", ())?;
    Ok(())
}
