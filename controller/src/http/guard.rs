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
    within(REQUEST_TIME, next.run(request)).await
}

async fn within(limit: Duration, answer: impl Future<Output = Response>) -> Response {
    match timeout(limit, answer).await {
        Ok(response) => response,
        Err(_) => {
            error!("a request took longer than {limit:?}");
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

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;
    use crate::http::trace;

    async fn ask(router: Router) -> (StatusCode, serde_json::Value) {
        let router = router
            .layer(middleware::from_fn(in_time))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn_with_state(0, trace::request));
        let request = http::Request::get("/").header("x-request-id", "mine").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole body").to_bytes();
        (status, serde_json::from_slice(&body).expect("a problem"))
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_names_its_request_and_nothing_else() {
        let panics = || async {
            if true {
                panic!("the inner cause")
            }
        };
        let (status, problem) = ask(Router::new().route("/", get(panics))).await;
        assert_eq!((status.as_u16(), &problem["requestId"]), (500, &"mine".into()));
        assert!(!problem.to_string().contains("inner cause"));
    }

    #[tokio::test]
    async fn a_request_that_takes_for_ever_is_cut() {
        assert_eq!(within(Duration::from_millis(1), std::future::pending()).await.status(), 503);
    }
}
