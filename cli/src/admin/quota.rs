//! What tenants and owners may use.

use std::time::Duration;

use podling_proto::admin::{GetQuotaRequest, Quota, SetQuotaRequest};

use super::{
    args::{QuotaCommand, QuotaOf, QuotaSet},
    connect::{Admin, AdminError, answered},
    shown::Output,
};

pub(super) async fn perform(admin: &mut Admin, out: &Output, command: QuotaCommand) -> Result<(), AdminError> {
    let told = match command {
        QuotaCommand::Get(QuotaOf { tenant, subject }) => {
            let subject = subject.unwrap_or_default();
            answered(admin.get_quota(GetQuotaRequest { tenant, subject })).await?
        }
        QuotaCommand::Set(set) => answered(admin.set_quota(request(*set)?)).await?,
    };
    out.one("GetQuotaResponse", &told)
}

fn request(set: QuotaSet) -> Result<SetQuotaRequest, AdminError> {
    let QuotaOf { tenant, subject } = set.of;
    let quota = Quota {
        sessions: set.sessions,
        tenant_sessions: set.tenant_sessions,
        creates_per_minute: set.creates_per_minute,
        viewers: set.viewers,
        stored_bytes: set.stored_bytes,
        tenant_stored_bytes: set.tenant_stored_bytes,
        max_deadline: set.max_deadline.map(span).transpose()?,
        max_idle: set.max_idle.map(span).transpose()?,
        max_cpu_millis: set.max_cpu_millis,
        max_memory_bytes: set.max_memory_bytes,
        max_disk_bytes: set.max_disk_bytes,
        max_pids: set.max_pids,
    };
    Ok(SetQuotaRequest { tenant, subject: subject.unwrap_or_default(), quota: Some(quota) })
}

pub(super) fn span(span: Duration) -> Result<prost_types::Duration, AdminError> {
    span.try_into().map_err(|_| AdminError::Here("a duration is too long".to_owned()))
}
