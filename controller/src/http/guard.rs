//! What no request may do to the others: panic through the server, or take for ever.

use std::{any::Any, time::Duration};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use tokio::time::timeout;
use tracing::error;

use super::refusal::{self, Refusal};

/// Until the head of the answer. Every dependency answers in less or not at all; a followed log streams behind it.
const REQUEST_TIME: Duration = Duration::from_secs(30);

pub(super) async fn in_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            error!("a request took longer than {REQUEST_TIME:?}");
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "The request took too long, try again")
                .into_response()
        }
    }
}

/// The panic hook has logged where; the caller learns nothing of it.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    error!("a handler panicked");
    refusal::internal().into_response()
}
