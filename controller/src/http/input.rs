//! `POST /api/sessions/{id}/input`: types into a session's terminal.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest, Request, State},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use podling_session::spec::InvalidField;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Door,
    caller::Writes,
    create::{malformed, read_body},
    named::Named,
    openapi::InputRefusals,
    refusal::Refusal,
};
use crate::{
    direct::{self, MAX_INPUT_BYTES},
    sessions,
};

/// What to type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// At most 64 KiB as UTF-8. A line feed is no Enter key: programs that read keys expect `\r` for it; shells take both.
    #[schema(min_length = 1, max_length = 65536)]
    text: String,
}

/// Bytes as a keyboard sends them, at most 64 KiB.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the shape of the request, for the API's description")]
struct RawInput(Vec<u8>);

/// What was typed.
#[derive(Serialize, ToSchema)]
pub(super) struct TypedView {
    /// How many bytes were typed: all of them.
    accepted_bytes: usize,
    /// The end of the output when they were: what the program says to it comes later. `GET …/log?from=` begins there.
    offset: u64,
}

/// Types into the terminal, whoever else does. The program takes it when it reads; what it has not taken may be 256 KiB,
/// more is refused (429).
#[utoipa::path(
    post, path = "/api/sessions/{id}/input", operation_id = "typeInput", tag = "sessions",
    params(Named),
    request_body(content((Text = "application/json"), (RawInput = "application/octet-stream"))),
    responses((status = 200, description = "It was typed", body = TypedView), InputRefusals),
)]
pub(super) async fn type_in(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
    Input(input): Input,
) -> Result<Json<TypedView>, Refusal> {
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    let accepted_bytes = input.len();
    let offset = direct::type_in(&door.core, &session, input).await?;
    Ok(Json(TypedView { accepted_bytes, offset }))
}

/// What stands in the body, in either form.
pub(super) struct Input(Bytes);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Input, Refusal> {
        let form = request.headers().get(header::CONTENT_TYPE).and_then(form);
        let form = form.ok_or_else(|| {
            let detail = "Content-Type must be application/json or application/octet-stream";
            Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail)
        })?;
        let body = read_body(request, state).await?;
        let (name, input) = match form {
            Form::Raw => ("body", body),
            Form::Json => {
                let Text { text } = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
                ("text", text.into())
            }
        };
        if (1..=MAX_INPUT_BYTES).contains(&input.len()) {
            return Ok(Input(input));
        }
        Err(InvalidField::new(name, format!("{name} must have 1 to {MAX_INPUT_BYTES} bytes")).into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Raw,
}

fn form(value: &HeaderValue) -> Option<Form> {
    let essence = value.to_str().ok()?.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Some(Form::Json),
        "application/octet-stream" => Some(Form::Raw),
        _ => None,
    }
}
