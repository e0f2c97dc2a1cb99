//! Events and the audit, in the order in which things happened.

use std::time::{Duration, SystemTime};

use podling_proto::admin::{ListAuditRequest, WatchEventsRequest};
use tokio::time::sleep;

use super::{
    args::{AuditArgs, EventsArgs},
    connect::{Admin, AdminError, answered},
    shown::Output,
};

/// How often the audit is asked for more.
const POLL: Duration = Duration::from_secs(1);
const PAGE: u32 = 1_000;

pub(super) async fn events(admin: &mut Admin, out: &Output, wanted: EventsArgs) -> Result<(), AdminError> {
    let EventsArgs { after, session, follow } = wanted;
    let request = WatchEventsRequest { after: after.unwrap_or_default(), uid: session.unwrap_or_default(), follow };
    let mut events = answered(admin.watch_events(request)).await?;
    // Whoever follows waits as long as nothing happens; the connection is asked whether it stands.
    while let Some(event) = events.message().await.map_err(AdminError::Refused)? {
        out.next("Event", &event, &["at", "uid", "kind", "detail"])?;
    }
    Ok(())
}

pub(super) async fn audit(admin: &mut Admin, out: &Output, wanted: AuditArgs) -> Result<(), AdminError> {
    let AuditArgs { action, outcome, tenant, subject, session, since, after, follow } = wanted;
    let since = since.and_then(|ago| SystemTime::now().checked_sub(ago)).map(Into::into);
    let mut request = ListAuditRequest {
        action: action.unwrap_or_default(),
        outcome: outcome.unwrap_or_default(),
        tenant: tenant.unwrap_or_default(),
        subject: subject.unwrap_or_default(),
        uid: session.unwrap_or_default(),
        since,
        until: None,
        page_size: PAGE,
        after: after.unwrap_or_default(),
    };
    loop {
        let page = answered(admin.list_audit(request.clone())).await?.records;
        for record in &page {
            let columns =
                ["at", "action", "outcome", "count", "tenant", "subject", "address", "request_id", "uid", "detail"];
            out.next("AuditRecord", record, &columns)?;
        }
        match page.last() {
            Some(last) => request.after.clone_from(&last.cursor),
            None if follow => sleep(POLL).await,
            None => return Ok(()),
        }
    }
}
