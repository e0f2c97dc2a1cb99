//! The audit, page by page.

use podling_proto::admin::{ListAuditRequest, ListAuditResponse};
use podling_session::audit::{Action, AuditFilter, Outcome};

use super::{
    error::Error,
    view::{self, given, parsed},
};
use crate::core::Core;

pub(super) async fn list(core: &Core, request: ListAuditRequest) -> Result<ListAuditResponse, Error> {
    let filter = AuditFilter {
        action: parsed::<Action>("action", "the name of an action, such as session.create", &request.action)?,
        outcome: parsed::<Outcome>("outcome", "done or refused", &request.outcome)?,
        tenant: given(request.tenant),
        subject: given(request.subject),
        session: parsed("uid", "a UUIDv7", &request.uid)?,
        since: view::time("since", request.since)?,
        until: view::time("until", request.until)?,
    };
    let after = view::cursor("after", &request.after)?;
    let records = core.audit.list(&filter, after, view::page_size(request.page_size)?).await?;
    Ok(ListAuditResponse { records: records.into_iter().map(view::record).collect() })
}
