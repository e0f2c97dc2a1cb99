//! `GET /api/sessions/{id}/log`: the terminal's output as a download or a stream.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use podling_daemon::turnstile::{Pass, Turnstile};
use podling_session::session::{LogRange, Session};
use utoipa::ToSchema;

use super::{
    Door,
    caller::Reads,
    crowd::overloaded,
    named::Named,
    openapi::LogRefusals,
    plain_text::PlainText,
    query::{Format, Reading},
    refusal::Refusal,
};
use crate::{
    drain,
    logs::follow::{self, FollowError, Until},
    sessions,
};

const FIRST_OFFSET: HeaderName = HeaderName::from_static("x-log-first-offset");
const END_OFFSET: HeaderName = HeaderName::from_static("x-log-end-offset");

/// How many logs are read at once, each with up to 1 MiB of it in memory for as long as its reader takes.
const READERS: usize = 256;
/// None waits: whoever reads may do so for hours.
const NO_QUEUE: usize = 0;

#[derive(Clone)]
pub(super) struct Readers(Arc<Turnstile>);

impl Default for Readers {
    fn default() -> Readers {
        Readers(Arc::new(Turnstile::new(READERS, NO_QUEUE, Duration::ZERO)))
    }
}

/// Bytes as the terminal got them.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the shape of the answer, for the API's description")]
struct RawOutput(Vec<u8>);

/// The terminal's output, of everything that fetch, installation and command printed.
///
/// `X-Log-First-Offset` and `X-Log-End-Offset` tell what was kept when the answer began. An answer that breaks off
/// without its last chunk was cut, by a fault or because its server is being replaced; go on with `from`.
#[utoipa::path(
    get, path = "/api/sessions/{id}/log", operation_id = "readLog", tag = "sessions",
    params(Named, Reading),
    responses(
        (status = 200, description = "The output", content(
            (RawOutput = "application/octet-stream"),
            (String = "text/plain"),
        ), headers(
            ("X-Log-First-Offset" = u64, description = "The first byte that is kept"),
            ("X-Log-End-Offset" = u64, description = "The byte after the last one known of"),
        )),
        LogRefusals,
    ),
)]
pub(super) async fn log(
    State(door): State<Arc<Door>>,
    caller: Reads,
    Named(id): Named,
    RawQuery(query): RawQuery,
    Extension(readers): Extension<Readers>,
) -> Result<Response, Refusal> {
    let reading = Reading::parse(query.as_deref().unwrap_or_default())?;
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    let range = session.log;
    if reading.from.is_some_and(|from| from < range.first) {
        return Ok(pruned(range));
    }
    let pass = readers.0.enter().await.ok_or_else(|| overloaded("log"))?;
    let body = match output(&door, &session, &reading, pass).await {
        Ok(body) => body,
        Err(FollowError::NotKept { .. }) => return Ok(pruned(range)),
        Err(error) => return Err(error.into()),
    };
    Ok(with_offsets(body, range))
}

async fn output(door: &Door, session: &Session, reading: &Reading, pass: Pass) -> Result<Response, FollowError> {
    let core = &door.core;
    let body = if reading.follow == Some(true) {
        // Its first byte may be hours away: whatever goes wrong cuts the stream.
        let output = follow::open(core, session, reading.from, Until::End).boxed();
        let cut = Err(io::Error::other("the controller is draining"));
        body(drain::until(door.cut.clone(), output, cut), reading.format, pass)
    } else {
        let output = Box::pin(follow::open(core, session, reading.from, Until::Head));
        let (first, rest) = output.into_future().await;
        let first = first.transpose().map_err(cause)?;
        body(stream::iter(first.map(Ok)).chain(rest), reading.format, pass)
    };
    Ok(body)
}

fn cause(error: io::Error) -> FollowError {
    error.downcast().unwrap_or(FollowError::Unreachable)
}

/// Holds the pass until the last byte.
fn body(
    output: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    format: Option<Format>,
    pass: Pass,
) -> Response {
    let output = output.inspect(move |_| _ = &pass);
    let (kind, body) = match format.unwrap_or_default() {
        Format::Raw => ("application/octet-stream", Body::from_stream(output)),
        Format::Text => {
            let mut filter = PlainText::default();
            let text = output.map(move |chunk| chunk.map(|chunk| filter.feed(&chunk)));
            ("text/plain; charset=utf-8", Body::from_stream(text))
        }
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// What was asked for is gone; the answer names what is left.
fn pruned(range: LogRange) -> Response {
    let detail = format!("The output before offset {} is no longer kept", range.first);
    with_offsets(Refusal::new(StatusCode::GONE, "log-pruned", detail).into_response(), range)
}

fn with_offsets(mut response: Response, range: LogRange) -> Response {
    let headers = response.headers_mut();
    headers.insert(FIRST_OFFSET, range.first.into());
    headers.insert(END_OFFSET, range.end.into());
    response
}
