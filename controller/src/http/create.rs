//! `POST /api/sessions`: what of a request is read in which order, and the headers of its answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use podling_session::{spec::InvalidField, store::Idempotency};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{
    Door, MAX_BODY_BYTES,
    caller::Writes,
    crowd::Turn,
    limits,
    openapi::CreateRefusals,
    refusal::Refusal,
    request::{BadBody, CreateSession},
    view::TicketView,
};
use crate::sessions::{self, Answered, Origin, Ticket};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// A body of at most 1 MiB that takes longer is not on its way.
const BODY_TIME: Duration = Duration::from_secs(15);

/// Creates a session and answers at once: it starts behind the answer.
///
/// A repeat with the same Idempotency-Key and body answers 201 with the same session, a fresh token and
/// `Idempotency-Replayed: true`.
#[utoipa::path(
    post, path = "/api/sessions", operation_id = "createSession", tag = "sessions",
    params((
        "Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$",
        description = "1 to 255 visible ASCII characters, kept for 24 hours",
    )),
    request_body = CreateSession,
    responses((status = 201, description = "The session, and a token to attach to it", body = TicketView), CreateRefusals),
)]
pub(super) async fn create(State(door): State<Arc<Door>>, caller: Writes, body: JsonBody) -> Response {
    let request = match wanted(&door, &body) {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let Answered { allowance, outcome } = sessions::create(&door.core, caller.principal(), request).await;
    let mut response = match outcome {
        Ok(ticket) => ticket_response(&door, ticket),
        Err(error) => Refusal::from(error).into_response(),
    };
    if let Some(allowance) = allowance {
        limits::tell(&mut response, &allowance);
    }
    response
}

fn wanted(door: &Door, body: &JsonBody) -> Result<sessions::Request, Refusal> {
    let wanted = CreateSession::parse(body.text.as_bytes())?;
    let idempotency =
        idempotency_key(&body.headers)?.map(|key| Idempotency { key, body_hash: door.core.seal.body_hash(&body.text) });
    Ok(sessions::Request { id: wanted.chosen_id()?, draft: wanted.into_draft(), idempotency })
}

fn ticket_response(door: &Door, ticket: Ticket) -> Response {
    let Ticket { session, token, origin } = ticket;
    let place = HeaderValue::try_from(format!("/api/sessions/{}", session.id)).expect("an id is ASCII");
    let view = TicketView::new(session, token, &door.core.settings);
    let mut response = (StatusCode::CREATED, [(header::LOCATION, place)], Json(view)).into_response();
    if origin == Origin::Repeated {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, InvalidField> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let sound = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let key = value.to_str().ok().filter(sound).map(str::to_owned);
    let refused = || InvalidField::new("Idempotency-Key", "Idempotency-Key must be 1 to 255 visible ASCII characters");
    key.map(Some).ok_or_else(refused)
}

/// A body that says it is JSON, of bounded size, and text.
pub(super) struct JsonBody {
    headers: HeaderMap,
    text: String,
}

impl JsonBody {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// # Errors
    /// When it is not of this shape; the message says where.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(&self.text).map_err(|error| malformed(format!("malformed JSON: {error}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<JsonBody, Refusal> {
        if !request.headers().get(header::CONTENT_TYPE).is_some_and(is_json) {
            let detail = "Content-Type must be application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type", detail));
        }
        let headers = request.headers().clone();
        let bytes = read_body(request, state).await?;
        let text = String::from_utf8(bytes.into()).map_err(|_| malformed("malformed JSON: the body is not UTF-8"))?;
        Ok(JsonBody { headers, text })
    }
}

/// The body, of bounded size and in time; it keeps nobody waiting but those who send, too.
pub(super) async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Refusal> {
    let turn = request.extensions().get::<Turn>().cloned();
    let reading = timeout(BODY_TIME, Bytes::from_request(request, state));
    let read = match turn {
        Some(turn) => turn.aside(reading).await?,
        None => reading.await,
    };
    let Ok(body) = read else {
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "slow-body", "The body took too long to arrive"));
    };
    body.map_err(|rejection| unreadable(&rejection))
}

fn is_json(value: &HeaderValue) -> bool {
    let essence = value.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unreadable(rejection: &BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body must be at most {MAX_BODY_BYTES} bytes");
        return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
    }
    Refusal::bad_request("body-unreadable", "The body could not be read")
}

pub(super) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::bad_request("malformed-json", detail)
}

impl From<BadBody> for Refusal {
    fn from(bad: BadBody) -> Refusal {
        match bad {
            BadBody::Field(invalid) => invalid.into(),
            BadBody::Json(_) | BadBody::NotAnObject => malformed(bad.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_visible_ascii() {
        let check = |key: &str, good: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(key.as_bytes()).expect("a value"));
            assert_eq!(idempotency_key(&headers).is_ok(), good, "{key:?}");
        };
        check("a", true);
        check(&"x".repeat(255), true);
        for bad in ["", "a b", "ä", &"x".repeat(256)] {
            check(bad, false);
        }
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn json_has_parameters_and_other_types_are_not_json() {
        for (text, json) in
            [("application/json", true), ("Application/JSON; charset=utf-8", true), ("text/plain", false)]
        {
            assert_eq!(is_json(&HeaderValue::from_static(text)), json, "{text}");
        }
    }
}
