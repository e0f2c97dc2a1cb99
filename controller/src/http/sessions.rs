//! What a caller does with its sessions once they are created.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
};
use podling_session::{id::Uid, spec::Extension};

use super::{
    Door,
    caller::{Reads, Writes},
    create::JsonBody,
    named::Named,
    openapi::{ExtendRefusals, ListRefusals, Refusals},
    query::Listing,
    refusal::Refusal,
    request::ExtendSession,
    view::{DeletedView, PageView, SessionView, TicketView},
};
use crate::sessions;

/// The caller's sessions, the youngest first; for an admin of the tenant everybody's.
#[utoipa::path(
    get, path = "/api/sessions", operation_id = "listSessions", tag = "sessions", params(Listing),
    responses((status = 200, description = "One page", body = PageView), ListRefusals),
)]
pub(super) async fn list(
    State(door): State<Arc<Door>>,
    caller: Reads,
    RawQuery(query): RawQuery,
) -> Result<Json<PageView>, Refusal> {
    let asked = Listing::parse(query.as_deref().unwrap_or_default())?.check()?;
    let page = sessions::list(&door.core, &caller.reach(), &asked.filter, asked.after, asked.limit).await?;
    let settings = &door.core.settings;
    let sessions: Vec<_> = page.sessions.into_iter().map(|session| SessionView::new(session, settings)).collect();
    let next_cursor = page.next.map(|uid: Uid| uid.to_string());
    Ok(Json(PageView { count: sessions.len(), sessions, next_cursor }))
}

/// One session.
#[utoipa::path(
    get, path = "/api/sessions/{id}", operation_id = "getSession", tag = "sessions",
    params(Named),
    responses((status = 200, description = "The session", body = SessionView), Refusals),
)]
pub(super) async fn get(
    State(door): State<Arc<Door>>,
    caller: Reads,
    Named(id): Named,
) -> Result<Json<SessionView>, Refusal> {
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    Ok(Json(SessionView::new(session, &door.core.settings)))
}

/// Gives a session that has not ended another deadline, another idle time, or both.
#[utoipa::path(
    patch, path = "/api/sessions/{id}", operation_id = "extendSession", tag = "sessions",
    params(Named),
    request_body = ExtendSession,
    responses((status = 200, description = "The session as it is now", body = SessionView), ExtendRefusals),
)]
pub(super) async fn extend(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
    body: JsonBody,
) -> Result<Json<SessionView>, Refusal> {
    let ExtendSession { deadline_seconds, idle_seconds } = ExtendSession::parse(body.text().as_bytes())?;
    let wanted = Extension { deadline_seconds, idle_seconds };
    let session = sessions::extend(&door.core, &caller.reach(), &id, wanted).await?;
    Ok(Json(SessionView::new(session, &door.core.settings)))
}

/// Ends a session and hides it: it is not found from now on, and its id is free.
#[utoipa::path(
    delete, path = "/api/sessions/{id}", operation_id = "deleteSession", tag = "sessions",
    params(Named),
    responses((status = 200, description = "It is gone", body = DeletedView), Refusals),
)]
pub(super) async fn delete(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
) -> Result<Json<DeletedView>, Refusal> {
    let session = sessions::delete(&door.core, &caller.reach(), &id).await?;
    let id = session.id.to_string();
    Ok(Json(DeletedView { success: true, deleted: id.clone(), id, deleted_at: session.deleted_at }))
}

/// Ends a session. One that has ended stays as it is; its log is kept for a while.
#[utoipa::path(
    post, path = "/api/sessions/{id}/stop", operation_id = "stopSession", tag = "sessions",
    params(Named),
    responses((status = 200, description = "The ended session", body = SessionView), Refusals),
)]
pub(super) async fn stop(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
) -> Result<Json<SessionView>, Refusal> {
    let session = sessions::stop(&door.core, &caller.reach(), &id).await?;
    Ok(Json(SessionView::new(session, &door.core.settings)))
}

/// A fresh one-time token for a session. Those given out before stay good.
#[utoipa::path(
    post, path = "/api/sessions/{id}/token", operation_id = "mintToken", tag = "sessions",
    params(Named),
    responses((status = 200, description = "The session, and a token to attach to it", body = TicketView), Refusals),
)]
pub(super) async fn token(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
) -> Result<Json<TicketView>, Refusal> {
    let ticket = sessions::token(&door.core, caller.principal(), &id).await?;
    Ok(Json(TicketView::new(ticket.session, ticket.token, &door.core.settings)))
}
