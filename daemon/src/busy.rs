//! Whether a connection is answering anything, so that one that never asks can be told from one that is slow to answer, and
//! whether what it answers is taken.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, sleep};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

/// The requests of one connection; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    open: TaskTracker,
    begun: Arc<AtomicU64>,
    /// Since when each answer waits for the peer to take more of it.
    waiting: Arc<Mutex<HashMap<u64, Instant>>>,
}

impl Default for Busy {
    fn default() -> Busy {
        let open = TaskTracker::new();
        open.close(); // So that waiting ends when none is left; more can still begin.
        Busy { open, begun: Arc::default(), waiting: Arc::default() }
    }
}

impl Busy {
    /// One request, until it is dropped.
    pub(crate) fn mark(&self) -> Mark {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Mark { busy: self.clone(), number, _open: self.open.token() }
    }

    /// Pends until some answer was not taken on with for `span`, or a quarter longer. Cancel safe.
    pub(crate) async fn stuck_for(&self, span: Duration) {
        loop {
            sleep(span / 4).await;
            if self.waiting().values().any(|since| since.elapsed() >= span) {
                return;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pends until for `span` no request was open and none began. Cancel safe.
    pub(crate) async fn idle_for(&self, span: Duration) {
        loop {
            self.open.wait().await;
            let before = self.begun.load(Ordering::Relaxed);
            sleep(span).await;
            if self.open.is_empty() && self.begun.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// One request that is under way.
pub(crate) struct Mark {
    busy: Busy,
    number: u64,
    _open: TaskTrackerToken,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.busy.waiting().remove(&self.number);
    }
}

/// The body of an answer: its request is under way until the last byte. It is asked for more when the peer has taken
/// what there was, and therefore waits for the peer between giving and being asked.
pub(crate) struct Answering<B> {
    body: B,
    mark: Mark,
}

impl<B> Answering<B> {
    pub(crate) fn new(body: B, mark: Mark) -> Answering<B> {
        Answering { body, mark }
    }
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.mark.busy.waiting().remove(&self.mark.number);
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            self.mark.busy.waiting().insert(self.mark.number, Instant::now());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_when_no_request_is_open_and_none_began_for_the_span() {
        let (busy, started) = (Busy::default(), Instant::now());
        busy.idle_for(SPAN).await;
        assert_eq!(started.elapsed().as_secs(), 10, "one that never asks");
        let open = busy.mark();
        assert!(timeout(SPAN * 9, busy.idle_for(SPAN)).await.is_err(), "an answer may take its time");
        drop(open);
        let asks = async {
            for _ in 0..9 {
                sleep(SPAN / 3).await;
                drop(busy.mark());
            }
        };
        let (idle, ()) = tokio::join!(timeout(SPAN * 3, busy.idle_for(SPAN)), asks);
        assert!(idle.is_err(), "short requests count, too");
    }
}
