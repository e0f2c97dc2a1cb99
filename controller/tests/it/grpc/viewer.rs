//! A viewer of a stored log, and the words that the tests of it are written in.

use jiff::Timestamp;
use podling_proto::terminal::{
    AttachRequest, AttachResponse, Mode, Open, Opened, attach_request, attach_response::Message,
};
use podling_session::{
    capability::Grant,
    id::{AttachNonce, ViewerId},
    log::Body,
    phase::End,
    session::Session,
    token::Scope,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    log::Writer,
    world::{World, next},
};

pub(crate) const WINDOW: usize = 1 << 20;

/// One viewer's stream.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(crate) requests: mpsc::Sender<AttachRequest>,
    pub(crate) answers: Streaming<AttachResponse>,
    pub(crate) opened: Opened,
}

impl Viewer {
    pub(crate) async fn open(world: &World, open: Open) -> Result<Viewer, Status> {
        let (requests, outbound) = mpsc::channel(8);
        requests.try_send(request(attach_request::Message::Open(open))).expect("room for one");
        let mut answers = world.terminal().attach(ReceiverStream::new(outbound)).await?.into_inner();
        match next(&mut answers).await?.and_then(|answer| answer.message) {
            Some(Message::Opened(opened)) => Ok(Viewer { requests, answers, opened }),
            other => panic!("the first answer is {other:?}"),
        }
    }

    pub(crate) async fn said(&mut self) -> Option<Message> {
        next(&mut self.answers).await.expect("no error").map(|answer| answer.message.expect("one of them"))
    }

    pub(crate) async fn send(&self, message: attach_request::Message) {
        self.requests.send(request(message)).await.expect("the stream is open");
    }

    /// Takes a window of output and acks nothing; its length.
    pub(crate) async fn window(&mut self) -> usize {
        let mut got = 0;
        while got < WINDOW {
            let Some(Message::Output(output)) = self.said().await else { panic!("not output") };
            got += output.data.len();
        }
        got
    }

    /// Takes output, acking it, until something else comes.
    pub(crate) async fn output(&mut self) -> (Vec<u8>, Option<Message>) {
        let mut bytes = Vec::new();
        let mut at = self.opened.from;
        loop {
            match self.said().await {
                Some(Message::Output(output)) => {
                    assert_eq!(output.offset, at, "a byte is missing or doubled");
                    assert!(output.replay && output.data.len() <= 64 * 1024);
                    bytes.extend_from_slice(&output.data);
                    at += output.data.len() as u64;
                    self.send(attach_request::Message::Ack(at)).await;
                }
                other => return (bytes, other),
            }
        }
    }
}

pub(crate) fn request(message: attach_request::Message) -> AttachRequest {
    AttachRequest { message: Some(message) }
}

pub(crate) fn open(grant: String, from: Option<u64>) -> Open {
    Open { grant, mode: Mode::Lossless.into(), from, history_lines: 0 }
}

pub(crate) async fn ended(world: &World, segments: Vec<Vec<Body>>) -> Session {
    let session = world.create(&[]).await;
    let mut writer = Writer::new(world, &session);
    for bodies in segments {
        writer.seal(bodies).await;
    }
    world.end(session.life(), &End::exit(3)).await;
    world.release(session.life()).await;
    session
}

pub(crate) async fn attach(world: &World, session: &Session, from: Option<u64>) -> Result<Viewer, Status> {
    Viewer::open(world, open(world.grant(session.uid).await, from)).await
}

pub(crate) fn viewer_grant(session: &Session, generation: u32) -> Grant {
    Grant {
        session: session.uid,
        viewer: ViewerId::new(),
        nonce: AttachNonce::random(),
        generation,
        issued_at: Timestamp::now(),
        scope: Scope::ReadWrite,
        who: Default::default(),
    }
}
