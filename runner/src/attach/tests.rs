//! One viewer's stream, without a connection.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use podling_proto::terminal::{AttachResponse, Closed, attach_response::Message};
use podling_session::{
    capability::{Grant, GrantKey},
    id::{AttachNonce, Uid, ViewerId},
    token::Scope,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tonic::Status;

use super::{
    Registry, Stage,
    outbound::{Outbound, Pace},
    registry::Viewer,
};
use crate::{
    activity::Activity,
    terminal::{Log, Window, keyboard},
};

const MIB: usize = 1 << 20;

struct Fixture {
    log: Arc<Log>,
    viewer: Arc<Viewer>,
    stream: Pin<Box<dyn Stream<Item = Result<AttachResponse, Status>> + Send>>,
    _directory: tempfile::TempDir,
}

/// A viewer at the beginning of a log of which nothing is written to files.
async fn fixture(pace: Pace) -> Fixture {
    let directory = tempfile::tempdir().expect("a directory");
    let log = Arc::new(Log::new(directory.path().to_owned(), u64::MAX, watch::Sender::default()));
    let (keyboard, _input) = keyboard();
    let (session, registry) = (Uid::new(), Arc::new(Registry::new()));
    let stage = Arc::new(Stage {
        session,
        grants: GrantKey::from_bytes([1; 32]),
        window: Window::new(Arc::clone(&log)),
        log: Arc::clone(&log),
        keyboard,
        activity: Arc::new(Activity::new()),
    });
    let now = Timestamp::UNIX_EPOCH;
    let (viewer, nonce, scope) = (ViewerId::new(), AttachNonce::random(), Scope::ReadWrite);
    let grant = Grant { session, viewer, nonce, generation: 0, issued_at: now, scope };
    let viewer = Arc::new(registry.admit(&grant, now).await.expect("a place"));
    let start = log.seek(None).expect("it begins");
    let stream = Box::pin(Outbound::new(Arc::clone(&viewer), stage, start, pace).into_stream());
    Fixture { log, viewer, stream, _directory: directory }
}

impl Fixture {
    /// What comes until nothing does for so long, and how much of it is output.
    async fn receive(&mut self, patience: Duration) -> (usize, Option<Closed>) {
        let mut bytes = 0;
        while let Ok(response) = timeout(patience, self.stream.next()).await {
            let Some(response) = response else { break };
            match response.expect("no failure").message.expect("a message") {
                Message::Output(output) => bytes += output.data.len(),
                Message::Closed(closed) => return (bytes, Some(closed)),
                _ => {}
            }
        }
        (bytes, None)
    }
}

#[tokio::test(start_paused = true)]
async fn credit_bounds_what_is_sent_and_acks_refill_it() {
    let mut fixture = fixture(Pace::Patient).await;
    fixture.log.output(Bytes::from(vec![b'x'; 60_000])).await;
    for _ in 0..40 {
        fixture.log.output(Bytes::from(vec![b'x'; 60_000])).await;
    }
    let hour = Duration::from_secs(3_600);
    let (first, closed) = fixture.receive(hour).await;
    assert!((MIB - 130_000..=MIB).contains(&first) && closed.is_none(), "{first}");
    fixture.viewer.ack(u64::MAX); // More than was sent counts as what was.
    let (second, closed) = fixture.receive(hour).await;
    assert!((MIB - 130_000..=MIB).contains(&second) && closed.is_none(), "{second}");
}

#[tokio::test(start_paused = true)]
async fn a_plain_viewer_that_takes_nothing_is_closed_after_thirty_seconds_and_an_idle_one_is_not() {
    let mut fixture = fixture(Pace::Prompt).await;
    assert_eq!(fixture.receive(Duration::from_secs(3_600)).await, (0, None));
    for _ in 0..40 {
        fixture.log.output(Bytes::from(vec![b'x'; 60_000])).await;
    }
    let began = Instant::now();
    let (_, closed) = fixture.receive(Duration::from_secs(3_600)).await;
    assert_eq!((closed.map(|closed| closed.code), began.elapsed().as_secs()), (Some(4412), 30));
    assert!(fixture.stream.next().await.is_none(), "it is the last message");
}
