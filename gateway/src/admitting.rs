//! An open call to Admit, which is never cut short while it is about to end by itself.
//!
//! A call that its caller drops is reset. HTTP/2 forgives a peer few resets in a row before it takes the whole connection
//! down, and with it everyone's Admit: 200 strangers with one spent token would be enough. Most calls end a message
//! later, so a dropped one is read to its end for a while, and only then reset.

use std::time::Duration;

use podling_proto::control::AdmitResponse;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::{Status, Streaming};

/// How long a call that nobody listens to may go on: longer than the controller takes to tell where a session is that
/// has a runner, shorter than a start.
const LEFTOVER: Duration = Duration::from_secs(2);

/// Messages as they come; cancel-safe to read.
pub(crate) struct Admitting {
    stream: Option<Streaming<AdmitResponse>>,
    leftovers: TaskTracker,
}

impl Admitting {
    pub(crate) fn new(stream: Streaming<AdmitResponse>, leftovers: TaskTracker) -> Admitting {
        Admitting { stream: Some(stream), leftovers }
    }

    pub(crate) async fn message(&mut self) -> Result<Option<AdmitResponse>, Status> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let message = stream.message().await;
        if !matches!(message, Ok(Some(_))) {
            self.stream = None;
        }
        message
    }
}

impl Drop for Admitting {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.leftovers.spawn(finish(stream));
        }
    }
}

async fn finish(mut stream: Streaming<AdmitResponse>) {
    // Whether it ended or ran out of time, nobody listens.
    let _ = timeout(LEFTOVER, async { while let Ok(Some(_)) = stream.message().await {} }).await;
}
