//! One viewer's stream.

use podling_proto::terminal::{
    AttachRequest, AttachResponse, Closed, Exit, Mode, Open, Opened, WindowSize, attach_request, attach_response,
    terminal_client::TerminalClient,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::world::{PATIENCE, World};

pub(crate) struct Viewer {
    requests: mpsc::Sender<AttachRequest>,
    responses: Streaming<AttachResponse>,
    pub(crate) opened: Opened,
    /// What was received, from `opened.from` on.
    pub(crate) output: Vec<u8>,
    pub(crate) replayed: usize,
    pub(crate) stages: Vec<String>,
    pub(crate) marks: Vec<String>,
    pub(crate) sizes: Vec<(u32, u32)>,
    pub(crate) viewers: u32,
    /// How much of its input the program has taken, as it was told.
    pub(crate) taken: u64,
    pub(crate) end: Option<Last>,
    /// Whether output is acked as it comes.
    pub(crate) acks: bool,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Last {
    Exit(Exit),
    Closed(Closed),
    Cut,
}

impl Viewer {
    pub(crate) fn lossless(from: Option<u64>) -> Open {
        Open { grant: String::new(), mode: Mode::Lossless.into(), from, history_lines: 0 }
    }

    /// Attaches as soon as the runner is there to answer.
    pub(crate) async fn attach(world: &World, open: Open) -> Result<Viewer, Status> {
        let attempts = async {
            loop {
                match Viewer::try_attach(world, open.clone()).await {
                    Err(status) if status.code() == Code::Unavailable => {
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await; // There is no event for it.
                    }
                    attached => return attached,
                }
            }
        };
        timeout(PATIENCE, attempts).await.expect("the runner answers")
    }

    pub(crate) async fn try_attach(world: &World, open: Open) -> Result<Viewer, Status> {
        let (requests, queue) = mpsc::channel(64);
        let first = AttachRequest { message: Some(attach_request::Message::Open(open)) };
        requests.try_send(first).expect("room");
        let mut client = TerminalClient::new(world.route().await.channel());
        let mut responses = client.attach(ReceiverStream::new(queue)).await?.into_inner();
        let first = responses.message().await?.and_then(|response| response.message);
        let Some(attach_response::Message::Opened(opened)) = first else { panic!("not opened: {first:?}") };
        Ok(Viewer {
            requests,
            responses,
            opened,
            output: Vec::new(),
            replayed: 0,
            stages: Vec::new(),
            marks: Vec::new(),
            sizes: Vec::new(),
            viewers: 0,
            taken: 0,
            end: None,
            acks: true,
        })
    }

    pub(crate) async fn send(&self, message: attach_request::Message) {
        self.requests.send(AttachRequest { message: Some(message) }).await.expect("the stream is open");
    }

    pub(crate) async fn type_in(&self, text: &'static str) {
        self.send(attach_request::Message::Input(text.as_bytes().into())).await;
    }

    pub(crate) async fn resize(&self, rows: u32, cols: u32) {
        self.send(attach_request::Message::Resize(WindowSize { rows, cols })).await;
    }

    pub(crate) fn offset(&self) -> u64 {
        self.opened.from + self.output.len() as u64
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Receives until the test has what it wants, or the stream is over.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Viewer) -> bool) {
        while !wanted(self) && self.end.is_none() {
            self.step().await;
        }
        assert!(wanted(self), "the stream ended with {:?} after {:?}", self.end, self.text());
    }

    pub(crate) async fn until_text(&mut self, text: &str) {
        self.until(|viewer| viewer.text().contains(text)).await;
    }

    /// Receives until the end.
    pub(crate) async fn last(&mut self) -> Last {
        self.until(|viewer| viewer.end.is_some()).await;
        self.end.clone().expect("it was waited for")
    }

    async fn step(&mut self) {
        let response = timeout(PATIENCE, self.responses.message()).await.expect("something comes");
        let Ok(Some(response)) = response else {
            self.end = Some(Last::Cut);
            return;
        };
        match response.message.expect("a message") {
            attach_response::Message::Output(output) => self.take(&output).await,
            attach_response::Message::Stage(stage) => self.stages.push(stage.name),
            attach_response::Message::Mark(mark) => self.marks.push(mark),
            attach_response::Message::Resized(size) => self.sizes.push((size.rows, size.cols)),
            attach_response::Message::Viewers(count) => self.viewers = count,
            attach_response::Message::Roll(_) => {} // Told to whoever asks for the lease.
            attach_response::Message::Exit(exit) => self.end = Some(Last::Exit(exit)),
            attach_response::Message::Closed(closed) => self.end = Some(Last::Closed(closed)),
            attach_response::Message::InputTaken(total) => self.taken = total,
            other => panic!("{other:?}"),
        }
        if self.end.is_some() {
            let after = timeout(PATIENCE, self.responses.message()).await.expect("the stream ends");
            assert!(matches!(after, Ok(None)), "nothing follows the last message: {after:?}");
        }
    }

    async fn take(&mut self, output: &podling_proto::terminal::Output) {
        assert_eq!(output.offset, self.offset(), "nothing is missing and nothing doubled");
        self.output.extend_from_slice(&output.data);
        let is_below_head = self.offset() <= self.opened.head_offset;
        assert_eq!(output.replay, is_below_head, "at {}", output.offset);
        self.replayed += usize::from(output.replay) * output.data.len();
        if self.acks {
            let ack = AttachRequest { message: Some(attach_request::Message::Ack(self.offset())) };
            let _ = self.requests.send(ack).await; // The last message may be on its way already.
        }
    }
}
