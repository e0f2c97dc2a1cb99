//! What operators say of the quotas of tenants and owners.

use std::time::Duration;

use podling_session::{
    principal::Owner,
    quota::{Overrides, QuotaOf, QuotaOverride},
};
use serde::{Deserialize, Serialize};

use super::{error::Error, tx::Tx, value::values};

/// As it is stored: JSON, so that another field needs no migration. Spans are milliseconds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    sessions: Option<u32>,
    tenant_sessions: Option<u32>,
    creates_per_minute: Option<u32>,
    viewers: Option<u32>,
    stored_bytes: Option<u64>,
    tenant_stored_bytes: Option<u64>,
    max_deadline_millis: Option<u64>,
    max_idle_millis: Option<u64>,
    max_cpu_millis: Option<u32>,
    max_memory_bytes: Option<u64>,
    max_disk_bytes: Option<u64>,
    max_pids: Option<u32>,
}

pub(super) async fn of_owner(tx: &Tx<'_>, owner: &Owner) -> Result<Overrides, Error> {
    let sql = "SELECT scope, said FROM quota_overrides WHERE tenant = $1 \
        AND (scope = 'tenant' OR (scope = 'owner' AND subject = $2))";
    let values = values![owner.tenant.as_str(), &*owner.subject];
    let rows: Vec<(String, QuotaOverride)> =
        tx.all(sql, values, |row| Ok((row.text("scope")?, parse(&row.text("said")?)?))).await?;
    let mut overrides = Overrides::default();
    for (scope, said) in rows {
        match scope.as_str() {
            "tenant" => overrides.tenant = said,
            _ => overrides.owner = said,
        }
    }
    Ok(overrides)
}

pub(super) async fn get(tx: &Tx<'_>, of: &QuotaOf) -> Result<QuotaOverride, Error> {
    let (scope, tenant, subject) = key(of);
    let sql = "SELECT said FROM quota_overrides WHERE scope = $1 AND tenant = $2 AND subject = $3";
    let said = tx.first(sql, values![scope, tenant, subject], |row| parse(&row.text("said")?)).await?;
    Ok(said.unwrap_or_default())
}

pub(super) async fn set(tx: &Tx<'_>, of: &QuotaOf, to: &QuotaOverride) -> Result<(), Error> {
    let (scope, tenant, subject) = key(of);
    let json = serde_json::to_string(&Stored::from(to)).expect("numbers always serialize");
    let sql = "INSERT INTO quota_overrides (scope, tenant, subject, said, changed_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (scope, tenant, subject) DO UPDATE SET said = $4, changed_at = $5";
    tx.execute(sql, values![scope, tenant, subject, &json, tx.now()]).await?;
    Ok(())
}

fn key(of: &QuotaOf) -> (&'static str, &str, &str) {
    match of {
        QuotaOf::Tenant(tenant) => ("tenant", tenant.as_str(), ""),
        QuotaOf::Owner(owner) => ("owner", owner.tenant.as_str(), &owner.subject),
    }
}

fn parse(json: &str) -> Result<QuotaOverride, Error> {
    let stored: Stored = serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("a quota: {error}")))?;
    Ok(stored.into())
}

impl From<&QuotaOverride> for Stored {
    fn from(said: &QuotaOverride) -> Stored {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Stored {
            sessions: said.sessions,
            tenant_sessions: said.tenant_sessions,
            creates_per_minute: said.creates_per_minute,
            viewers: said.viewers,
            stored_bytes: said.stored_bytes,
            tenant_stored_bytes: said.tenant_stored_bytes,
            max_deadline_millis: said.max_deadline.map(millis),
            max_idle_millis: said.max_idle.map(millis),
            max_cpu_millis: said.max_cpu_millis,
            max_memory_bytes: said.max_memory_bytes,
            max_disk_bytes: said.max_disk_bytes,
            max_pids: said.max_pids,
        }
    }
}

impl From<Stored> for QuotaOverride {
    fn from(stored: Stored) -> QuotaOverride {
        QuotaOverride {
            sessions: stored.sessions,
            tenant_sessions: stored.tenant_sessions,
            creates_per_minute: stored.creates_per_minute,
            viewers: stored.viewers,
            stored_bytes: stored.stored_bytes,
            tenant_stored_bytes: stored.tenant_stored_bytes,
            max_deadline: stored.max_deadline_millis.map(Duration::from_millis),
            max_idle: stored.max_idle_millis.map(Duration::from_millis),
            max_cpu_millis: stored.max_cpu_millis,
            max_memory_bytes: stored.max_memory_bytes,
            max_disk_bytes: stored.max_disk_bytes,
            max_pids: stored.max_pids,
        }
    }
}
