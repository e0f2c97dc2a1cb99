//! How many requests are under way at once. What is more is refused while it costs nothing yet: 503 with Retry-After.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use podling_daemon::{
    problem::Problem,
    turnstile::{Pass, Turnstile},
};

use super::refusal::Refusal;

/// Each may hold a body of 1 MiB and as large an answer. No store is faster for more at once.
const UNDER_WAY: usize = 256;
/// Each holds some 64 KiB in memory, and the disk is one.
const UPLOADS: usize = 64;
/// Each holds the head of a request and what its connection sent ahead.
const WAITING: usize = 1_024;
/// Who waits longer tries again later, as others came first.
const PATIENCE: Duration = Duration::from_secs(1);
/// What machines probe is answered in any crowd: a crowd is no reason to take a server away.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/servez"];

pub(super) struct Crowd {
    requests: Turnstile,
    bodies: Turnstile,
    uploads: Turnstile,
}

impl Default for Crowd {
    fn default() -> Crowd {
        let turnstile = || Turnstile::new(UNDER_WAY, WAITING, PATIENCE);
        Crowd { requests: turnstile(), bodies: turnstile(), uploads: Turnstile::new(UPLOADS, WAITING, PATIENCE) }
    }
}

/// One request's turn, which it gives back while its body is on its way: who sends slowly keeps nobody waiting but those
/// who send, too.
#[derive(Clone)]
pub(super) struct Turn {
    crowd: Arc<Crowd>,
    pass: Arc<Mutex<Option<Pass>>>,
}

impl Turn {
    pub(super) async fn aside<T>(&self, body: impl Future<Output = T>) -> Result<T, Refusal> {
        self.wait_at(&self.crowd.bodies, "body", body).await
    }

    /// As [`Turn::aside`], of a body that is stored as it comes, and may take longer.
    pub(super) async fn aside_to_store<T>(&self, upload: impl Future<Output = T>) -> Result<T, Refusal> {
        self.wait_at(&self.crowd.uploads, "upload", upload).await
    }

    async fn wait_at<T>(
        &self,
        door: &Turnstile,
        what: &'static str,
        body: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        self.hold(None);
        let _place = door.enter().await.ok_or_else(|| overloaded(what))?;
        let body = body.await;
        self.hold(Some(self.crowd.requests.enter().await.ok_or_else(|| overloaded("request"))?));
        Ok(body)
    }

    fn hold(&self, pass: Option<Pass>) {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = pass;
    }
}

/// A request is under way until the head of its answer.
pub(super) async fn in_turn(State(crowd): State<Arc<Crowd>>, mut request: Request, next: Next) -> Response {
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Some(pass) = crowd.requests.enter().await else { return overloaded("request").into_response() };
    let turn = Turn { crowd: crowd.clone(), pass: Arc::new(Mutex::new(Some(pass))) };
    request.extensions_mut().insert(turn.clone());
    let response = next.run(request).await;
    turn.hold(None);
    response
}

/// Too many of `what` are under way.
pub(super) fn overloaded(what: &'static str) -> Refusal {
    metrics::counter!("podling_shed_total", "what" => what).increment(1);
    let detail = "The server has too much to do, try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(PATIENCE).into()
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use bytes::Bytes;
    use futures_util::stream;
    use http::HeaderValue;
    use tokio::{sync::watch, task::JoinSet, time::Instant};
    use tower::ServiceExt;

    use super::*;
    use crate::http::create::JsonBody;

    const TOO_MANY: usize = 10;

    #[tokio::test(start_paused = true)]
    async fn past_256_requests_under_way_and_1024_that_wait_the_rest_get_503_at_once() {
        let (open, gate) = watch::channel(false);
        let handler = move || {
            let mut gate = gate.clone();
            async move {
                let _ = gate.wait_for(|open| *open).await; // The test opens it, or is over.
            }
        };
        let router = Router::new()
            .route("/", get(handler))
            .route("/healthz", get(|| async {}))
            .layer(middleware::from_fn_with_state(Arc::<Crowd>::default(), in_turn));
        let ask = |path: &str| {
            let answer = router.clone().oneshot(http::Request::get(path).body(Body::empty()).expect("a request"));
            async { answer.await.expect("an answer") }
        };
        let (mut asking, began) = (JoinSet::new(), Instant::now());
        for _ in 0..UNDER_WAY + WAITING + TOO_MANY {
            asking.spawn(ask("/"));
        }
        for refused in 0..TOO_MANY + WAITING {
            let response = asking.join_next().await.expect("it waits").expect("no panic");
            assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &HeaderValue::from(1)));
            assert_eq!(began.elapsed(), if refused < TOO_MANY { Duration::ZERO } else { PATIENCE });
        }
        assert_eq!(ask("/healthz").await.status(), 200);
        open.send_replace(true);
        assert_eq!(asking.len(), UNDER_WAY);
        while let Some(answered) = asking.join_next().await {
            assert_eq!(answered.expect("no panic").status(), 200);
        }
        assert_eq!(ask("/").await.status(), 200, "all have left");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_never_arrive_keep_no_other_request_waiting_and_are_given_up_after_15_s() {
        let router = Router::new()
            .route("/", get(|| async {}).post(|_: JsonBody| async {}))
            .layer(middleware::from_fn_with_state(Arc::<Crowd>::default(), in_turn));
        let ask = |request: http::request::Builder, body| {
            let answer = router.clone().oneshot(request.body(body).expect("a request"));
            async { answer.await.expect("an answer").status().as_u16() }
        };
        let post = || http::Request::post("/").header("content-type", "application/json");
        let never = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let (mut sending, began) = (JoinSet::new(), Instant::now());
        for _ in 0..UNDER_WAY {
            sending.spawn(ask(post(), never()));
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert_eq!(ask(http::Request::get("/"), Body::empty()).await, 200);
        }
        assert!(began.elapsed().is_zero());
        assert_eq!(ask(post(), Body::from("{}")).await, 503, "others who send wait");
        assert!(sending.join_all().await.into_iter().all(|status| status == 408));
        assert_eq!(began.elapsed().as_secs(), 15);
        assert_eq!(ask(post(), Body::from("{}")).await, 200);
    }
}
