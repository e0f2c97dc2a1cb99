//! `GET /api/sessions/{id}/screen`: what a session's terminal shows, as text.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Door, caller::Reads, named::Named, openapi::ScreenRefusals, refusal::Refusal};
use crate::{
    direct::{self, Shown},
    sessions,
};

/// A screen as text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScreenView {
    /// One line for each row, without the blanks at its end.
    lines: Vec<String>,
    cursor: CursorView,
    /// 5 to 500.
    rows: u16,
    /// 20 to 1000.
    cols: u16,
    /// The output below this offset is drawn. `GET …/log?from=` goes on from there.
    offset: u64,
}

/// Where the next character goes.
#[derive(Debug, Serialize, ToSchema)]
struct CursorView {
    /// From 0 at the top.
    row: usize,
    /// From 0 at the left.
    col: usize,
    visible: bool,
}

impl From<Shown> for ScreenView {
    fn from(shown: Shown) -> ScreenView {
        let Shown { offset, size, lines, cursor } = shown;
        let cursor = CursorView { row: cursor.row, col: cursor.col, visible: cursor.visible };
        ScreenView { lines, cursor, rows: size.rows(), cols: size.cols(), offset }
    }
}

/// What the terminal shows now; of an ended session, what it showed last.
#[utoipa::path(
    get, path = "/api/sessions/{id}/screen", operation_id = "readScreen", tag = "sessions",
    params(Named),
    responses((status = 200, description = "The screen", body = ScreenView), ScreenRefusals),
)]
pub(super) async fn screen(
    State(door): State<Arc<Door>>,
    caller: Reads,
    Named(id): Named,
) -> Result<Json<ScreenView>, Refusal> {
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    Ok(Json(direct::look(&door.core, &session).await?.into()))
}
