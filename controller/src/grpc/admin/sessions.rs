//! Sessions of all tenants.

use podling_proto::admin::{self, ListSessionsRequest, ListSessionsResponse, TerminateSessionRequest};
use podling_session::{
    audit::{Action, Entry},
    id::Uid,
    operator::Wanted,
    phase::{End, EndReason, Phase},
    session::Session,
    spec::InvalidField,
};
use tracing::info;

use super::{
    error::Error,
    view::{self, given, parsed},
};
use crate::core::Core;

/// Of a reason, in bytes.
const MAX_REASON: usize = 200;

pub(super) async fn list(core: &Core, request: ListSessionsRequest) -> Result<ListSessionsResponse, Error> {
    let limit = view::page_size(request.page_size)?;
    let after = parsed("page_token", "next_page_token of the page before", &request.page_token)?;
    if !request.phase.is_empty() && !Phase::NAMES.contains(&request.phase.as_str()) {
        let message = format!("phase must be one of {}", Phase::NAMES.join(", "));
        return Err(InvalidField::new("phase", message).into());
    }
    let wanted = Wanted {
        tenant: given(request.tenant),
        subject: given(request.subject),
        phase: given(request.phase),
        labels: view::labels(request.labels),
        id: given(request.id),
        deleted: request.deleted,
    };
    let page = core.operator.all_sessions(&wanted, after, limit).await?;
    let next_page_token = page.next.map(|uid| uid.to_string()).unwrap_or_default();
    Ok(ListSessionsResponse {
        sessions: page.sessions.into_iter().map(|session| shown(core, session)).collect(),
        next_page_token,
    })
}

pub(super) async fn get(core: &Core, uid: &str) -> Result<admin::Session, Error> {
    Ok(shown(core, find(core, uid).await?))
}

pub(super) async fn terminate(core: &Core, request: TerminateSessionRequest) -> Result<admin::Session, Error> {
    let TerminateSessionRequest { uid, reason } = request;
    if reason.len() > MAX_REASON || reason.contains(char::is_control) {
        let message = format!("reason must be at most {MAX_REASON} bytes without control characters");
        return Err(InvalidField::new("reason", message).into());
    }
    let session = find(core, &uid).await?;
    let end = match reason.as_str() {
        "" => End::because(EndReason::Admin),
        reason => End { detail: reason.to_owned(), ..End::because(EndReason::Admin) },
    };
    if core.system.end(session.life(), &end).await? {
        info!(session.id = %session.uid, "session {} was ended by an operator", session.uid);
        core.audit.record(Entry::done(Action::SessionKill).on(session.uid).detail(reason));
    }
    get(core, &uid).await
}

async fn find(core: &Core, uid: &str) -> Result<Session, Error> {
    let uid: Uid = uid.parse().map_err(|_| InvalidField::new("uid", "uid must be a UUIDv7"))?;
    core.system.find(uid).await?.ok_or(Error::NotFound("session"))
}

fn shown(core: &Core, session: Session) -> admin::Session {
    view::session(session, core.settings.keep_ended)
}
