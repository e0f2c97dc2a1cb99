//! What tenants and owners may use.

use podling_proto::admin::{self, GetQuotaRequest, GetQuotaResponse, SetQuotaRequest};
use podling_session::{
    audit::{Action, Entry},
    principal::{Owner, Tenant},
    quota::{Quota, QuotaOf, QuotaOverride},
    spec::InvalidField,
};

use super::{
    error::Error,
    view::{given, parsed, span},
};
use crate::{
    core::Core,
    keys::MAX_SUBJECT_BYTES,
    quotas::{self, Answer, QuotaError},
};

pub(super) async fn get(core: &Core, request: GetQuotaRequest) -> Result<GetQuotaResponse, Error> {
    let of = of(&request.tenant, request.subject)?;
    Ok(told(quotas::get(core, &of).await?))
}

pub(super) async fn set(core: &Core, request: SetQuotaRequest) -> Result<GetQuotaResponse, Error> {
    let of = of(&request.tenant, request.subject)?;
    let answer = quotas::set(core, &of, &asked(request.quota.unwrap_or_default())?).await?;
    let (tenant, subject) = match &of {
        QuotaOf::Tenant(tenant) => (tenant, None),
        QuotaOf::Owner(owner) => (&owner.tenant, Some(&owner.subject)),
    };
    let whose = subject.map_or(tenant.to_string(), |subject| format!("{subject} of {tenant}"));
    core.audit.record(Entry::done(Action::QuotaSet).detail(whose));
    Ok(told(answer))
}

fn of(tenant: &str, subject: String) -> Result<QuotaOf, InvalidField> {
    let rule = "{issuer}:{claim|user}:{value}, at most 512 bytes";
    let required = || InvalidField::new("tenant", format!("tenant must be {rule}"));
    let tenant: Tenant = parsed("tenant", rule, tenant)?.ok_or_else(required)?;
    if subject.len() > MAX_SUBJECT_BYTES {
        return Err(InvalidField::new("subject", format!("subject must be at most {MAX_SUBJECT_BYTES} bytes")));
    }
    Ok(match given(subject) {
        None => QuotaOf::Tenant(tenant),
        Some(subject) => QuotaOf::Owner(Owner { tenant, subject: subject.into() }),
    })
}

fn asked(quota: admin::Quota) -> Result<QuotaOverride, InvalidField> {
    Ok(QuotaOverride {
        sessions: quota.sessions,
        tenant_sessions: quota.tenant_sessions,
        creates_per_minute: quota.creates_per_minute,
        viewers: quota.viewers,
        stored_bytes: quota.stored_bytes,
        tenant_stored_bytes: quota.tenant_stored_bytes,
        max_deadline: span("max_deadline", quota.max_deadline)?,
        max_idle: span("max_idle", quota.max_idle)?,
        max_cpu_millis: quota.max_cpu_millis,
        max_memory_bytes: quota.max_memory_bytes,
        max_disk_bytes: quota.max_disk_bytes,
        max_pids: quota.max_pids,
    })
}

fn told(Answer { said, effective }: Answer) -> GetQuotaResponse {
    GetQuotaResponse { said: Some(shown(said)), effective: Some(shown(whole(&effective))) }
}

/// Every field of what holds.
fn whole(quota: &Quota) -> QuotaOverride {
    QuotaOverride {
        sessions: Some(quota.sessions),
        tenant_sessions: Some(quota.tenant_sessions),
        creates_per_minute: Some(quota.creates_per_minute.get()),
        viewers: Some(quota.viewers),
        stored_bytes: Some(quota.stored_bytes),
        tenant_stored_bytes: Some(quota.tenant_stored_bytes),
        max_deadline: Some(quota.max_deadline),
        max_idle: Some(quota.max_idle),
        max_cpu_millis: Some(quota.max_limits.cpu_millis),
        max_memory_bytes: Some(quota.max_limits.memory_bytes),
        max_disk_bytes: Some(quota.max_limits.disk_bytes),
        max_pids: Some(quota.max_limits.pids),
    }
}

fn shown(quota: QuotaOverride) -> admin::Quota {
    let span = |span: std::time::Duration| prost_types::Duration::try_from(span).ok(); // At most a year.
    admin::Quota {
        sessions: quota.sessions,
        tenant_sessions: quota.tenant_sessions,
        creates_per_minute: quota.creates_per_minute,
        viewers: quota.viewers,
        stored_bytes: quota.stored_bytes,
        tenant_stored_bytes: quota.tenant_stored_bytes,
        max_deadline: quota.max_deadline.and_then(span),
        max_idle: quota.max_idle.and_then(span),
        max_cpu_millis: quota.max_cpu_millis,
        max_memory_bytes: quota.max_memory_bytes,
        max_disk_bytes: quota.max_disk_bytes,
        max_pids: quota.max_pids,
    }
}

impl From<QuotaError> for Error {
    fn from(error: QuotaError) -> Error {
        match error {
            QuotaError::Invalid(invalid) => Error::Invalid(invalid),
            QuotaError::Store(source) => Error::Store(source),
        }
    }
}
