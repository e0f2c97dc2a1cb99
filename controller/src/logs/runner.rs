//! The controller as a viewer of a runner: read-only, lossless, under a grant that it signs itself.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use podling_proto::{
    channel::Route,
    terminal::{
        AttachRequest, AttachResponse, Mode, Open, attach_request, attach_response, terminal_client::TerminalClient,
    },
    tls::Trust,
};
use podling_session::{
    capability::{Grant, GrantKey},
    id::{AttachNonce, Uid, ViewerId},
    token::Scope,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::place::At;

/// How long a runner may take to accept a stream.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(5);
/// An ack goes out for every so many bytes: a quarter of the smallest window, so that the runner never waits for one.
const ACK_EVERY: u64 = 4 * 1024;
/// Acks that the transport has not taken; one that finds no place is made good by the next.
const WAITING_REQUESTS: usize = 4;

/// An open stream of a runner's terminal.
pub(super) struct Watch {
    answers: Streaming<AttachResponse>,
    requests: mpsc::Sender<AttachRequest>,
    acked: u64,
    /// Where the stream begins.
    pub(super) from: u64,
    /// The end of the log when the stream began.
    pub(super) head: u64,
}

/// What matters to a reader of output.
pub(super) enum Said {
    Output {
        offset: u64,
        data: Bytes,
    },
    Ended,
    /// The stream was cut, or its runner closed it.
    Cut,
}

impl Watch {
    /// Opens a stream at an offset, or at the first that is kept.
    ///
    /// # Errors
    /// The runner's refusal, or why it could not be asked.
    pub(super) async fn open(at: &At, uid: Uid, key: &GrantKey, from: Option<u64>) -> Result<Watch, Status> {
        let opening = async {
            let address = at.address.parse().map_err(|_| Status::internal("a runner has a bad address"))?;
            let route = Route::new(vec![address], Some(&Trust::pinned(&at.certificate)));
            let route = route.map_err(|_| Status::internal("a runner has a bad address"))?;
            let channel = route.connect().await.map_err(|_| Status::unavailable("the runner cannot be reached"))?;
            let (requests, outbound) = mpsc::channel(WAITING_REQUESTS);
            let open = Open { grant: key.sign(&grant(uid)), mode: Mode::Lossless.into(), from, history_lines: 0 };
            let open = AttachRequest { message: Some(attach_request::Message::Open(open)) };
            requests.try_send(open).map_err(|_| Status::internal("a new channel has no place"))?;
            let answers = TerminalClient::new(channel).attach(ReceiverStream::new(outbound)).await?.into_inner();
            Watch::opened(answers, requests).await
        };
        timeout(ACCEPT_TIMEOUT, opening).await.map_err(|_| Status::unavailable("the runner does not answer"))?
    }

    async fn opened(
        mut answers: Streaming<AttachResponse>,
        requests: mpsc::Sender<AttachRequest>,
    ) -> Result<Watch, Status> {
        match answers.message().await?.and_then(|answer| answer.message) {
            Some(attach_response::Message::Opened(opened)) => {
                Ok(Watch { answers, requests, acked: opened.from, from: opened.from, head: opened.head_offset })
            }
            _ => Err(Status::unavailable("the runner's first answer is not `opened`")),
        }
    }

    /// The next output or the end. `taken` is the offset up to which the reader has it.
    pub(super) async fn next(&mut self, taken: u64) -> Said {
        self.ack(taken);
        loop {
            let Ok(Some(answer)) = self.answers.message().await else { return Said::Cut };
            match answer.message {
                Some(attach_response::Message::Output(output)) => {
                    return Said::Output { offset: output.offset, data: output.data };
                }
                Some(attach_response::Message::Exit(_)) => return Said::Ended,
                Some(attach_response::Message::Closed(_)) => return Said::Cut,
                _ => {}
            }
        }
    }

    fn ack(&mut self, taken: u64) {
        if taken.saturating_sub(self.acked) < ACK_EVERY {
            return;
        }
        let ack = AttachRequest { message: Some(attach_request::Message::Ack(taken)) };
        if self.requests.try_send(ack).is_ok() {
            self.acked = taken;
        }
    }
}

/// For one stream of our own.
pub(crate) fn grant(session: Uid) -> Grant {
    Grant {
        session,
        viewer: ViewerId::new(),
        nonce: AttachNonce::random(),
        generation: 0,
        issued_at: Timestamp::now(),
        scope: Scope::ReadOnly,
        who: Default::default(),
    }
}
