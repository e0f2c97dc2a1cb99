//! Terminal.Attach over a log in memory, with the real table of viewers and a window of credit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use jiff::Timestamp;
use podling_proto::terminal::{
    AttachRequest, AttachResponse, Closed, Exit, Mode, Open, Opened, Output, WindowSize, attach_request,
    attach_response::Message, terminal_server::Terminal,
};
use podling_session::{
    capability::{Grant, GrantKey},
    id::ViewerId,
    viewers::{Refused, StreamId, Viewers},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

const WINDOW: u64 = 1 << 20;
const CHUNK: usize = 16 * 1024;

/// What the command said so far, and how it ended.
pub(crate) struct Log(watch::Sender<(Vec<u8>, Option<Exit>)>);

impl Default for Log {
    fn default() -> Log {
        Log(watch::Sender::new((Vec::new(), None)))
    }
}

impl Log {
    pub(crate) fn say(&self, bytes: impl AsRef<[u8]>) {
        self.0.send_modify(|(log, _)| log.extend_from_slice(bytes.as_ref()));
    }

    pub(crate) fn end(&self, reason: &str, exit_code: Option<i32>) {
        let detail = match exit_code {
            Some(code) => format!("The command ended with exit code {code}."),
            None => "The runner was lost.".to_owned(),
        };
        self.0.send_modify(|(_, end)| *end = Some(Exit { reason: reason.into(), exit_code, detail }));
    }
}

type Responses = mpsc::Sender<Result<AttachResponse, Status>>;

/// Which viewers may open a stream, and the open ones.
struct Table {
    viewers: Viewers,
    open: HashMap<StreamId, (Responses, CancellationToken)>,
}

#[derive(Clone)]
pub(crate) struct TerminalDouble {
    log: Arc<Log>,
    grant_key: GrantKey,
    table: Arc<Mutex<Table>>,
    tasks: TaskTracker,
    /// How many streams were accepted, ever.
    pub(crate) accepted: watch::Sender<usize>,
    pub(crate) input: watch::Sender<Vec<u8>>,
    pub(crate) acked: watch::Sender<u64>,
    pub(crate) size: watch::Sender<Option<(u32, u32)>>,
    pub(crate) focused: watch::Sender<usize>,
    /// The program takes what is typed.
    pub(crate) reads: watch::Sender<bool>,
    /// The `open` of each accepted stream.
    pub(crate) opens: watch::Sender<Vec<Open>>,
    /// The ranges that were asked for.
    pub(crate) fetches: watch::Sender<Vec<(u64, u64)>>,
    /// Attach is refused with UNAVAILABLE.
    pub(crate) down: watch::Sender<bool>,
    /// Every stream is cut, without a last word, when this changes.
    cuts: watch::Sender<usize>,
}

impl TerminalDouble {
    pub(crate) fn new(log: Arc<Log>, grant_key: GrantKey) -> TerminalDouble {
        TerminalDouble {
            log,
            grant_key,
            table: Arc::new(Mutex::new(Table { viewers: Viewers::new(1000), open: HashMap::new() })),
            tasks: TaskTracker::new(),
            accepted: watch::Sender::new(0),
            input: watch::Sender::new(Vec::new()),
            acked: watch::Sender::new(0),
            size: watch::Sender::new(None),
            focused: watch::Sender::new(0),
            reads: watch::Sender::new(true),
            opens: watch::Sender::new(Vec::new()),
            fetches: watch::Sender::new(Vec::new()),
            down: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
        }
    }

    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Sends a message to every open stream, beside what the log says.
    pub(crate) async fn tell(&self, message: Message) {
        let senders: Vec<_> = {
            let table = self.table.lock().expect("no panic");
            table.open.values().map(|(sender, _)| sender.clone()).collect()
        };
        for sender in senders {
            let answer = Ok(AttachResponse { message: Some(message.clone()) });
            sender.send(answer).await.expect("the stream is open");
        }
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.table.lock().expect("no panic").viewers.open()
    }

    fn accept(&self, grant: &Grant, sender: &Responses, stop: &CancellationToken) -> Result<StreamId, Status> {
        let mut table = self.table.lock().expect("no panic");
        let accepted = table.viewers.admit(grant, Timestamp::now()).map_err(|refused| match refused {
            Refused::TooMany => Status::resource_exhausted("too many viewers"),
            other => Status::unauthenticated(other.to_string()),
        })?;
        if let Some((sender, stop)) = accepted.replaces.and_then(|stream| table.open.remove(&stream)) {
            stop.cancel();
            let closed = Closed { code: 4409, reason: "replaced".into() };
            let _ = sender.try_send(Ok(AttachResponse { message: Some(Message::Closed(closed)) }));
        }
        table.open.insert(accepted.stream, (sender.clone(), stop.clone()));
        self.accepted.send_modify(|count| *count += 1);
        Ok(accepted.stream)
    }

    fn leave(&self, stream: StreamId, viewer: ViewerId) {
        let mut table = self.table.lock().expect("no panic");
        table.viewers.closed(viewer, stream);
        table.open.remove(&stream);
    }

    fn take(&self, message: attach_request::Message, grant: &Grant, stream: StreamId, acked: &watch::Sender<u64>) {
        use attach_request::Message;
        match message {
            Message::Input(bytes) => self.input.send_modify(|input| input.extend_from_slice(&bytes)),
            Message::Ack(offset) => {
                acked.send_replace(offset);
                self.acked.send_replace(offset);
            }
            Message::Resize(WindowSize { rows, cols }) => drop(self.size.send_replace(Some((rows, cols)))),
            Message::ResumeAck(generation) => {
                self.table.lock().expect("no panic").viewers.confirm(grant.viewer, stream, generation);
            }
            Message::Focus(_) => self.focused.send_modify(|count| *count += 1),
            Message::Fetch(range) => self.fetches.send_modify(|fetches| fetches.push((range.from, range.to))),
            Message::Open(_) | Message::Lease(_) => {}
        }
    }

    async fn receive(
        &self,
        mut requests: Streaming<AttachRequest>,
        grant: Grant,
        stream: StreamId,
        acked: watch::Sender<u64>,
        sender: Responses,
    ) {
        let mut taken = 0;
        while let Ok(Some(request)) = requests.message().await {
            let message = request.message.expect("a message");
            if let attach_request::Message::Input(bytes) = &message
                && *self.reads.borrow()
            {
                taken += bytes.len() as u64;
                let told = Ok(AttachResponse { message: Some(Message::InputTaken(taken)) });
                if sender.send(told).await.is_err() {
                    return;
                }
            }
            self.take(message, &grant, stream, &acked);
        }
    }

    /// Sends the log from `from`, never more than a window ahead of the acks.
    async fn send(&self, open: Open, mut acked: watch::Receiver<u64>, sender: Responses) {
        let mut log = self.log.0.subscribe();
        let head = log.borrow().0.len() as u64;
        let mut at = open.from.unwrap_or(0);
        acked.mark_unchanged();
        let size = WindowSize { rows: 24, cols: 80 };
        let opened = Message::Opened(Opened { first_offset: 0, head_offset: head, from: at, size: Some(size) });
        let say = async |message| sender.send(Ok(AttachResponse { message: Some(message) })).await.is_ok();
        let mut alive = say(opened).await;
        while alive {
            let (chunk, end) = {
                let log = log.borrow_and_update();
                let from = usize::try_from(at).expect("a small log").min(log.0.len());
                let chunk = Bytes::copy_from_slice(&log.0[from..log.0.len().min(from + CHUNK)]);
                (chunk, log.1.clone())
            };
            if !chunk.is_empty() {
                let taken = open.from.unwrap_or(0).max(at.saturating_sub(WINDOW));
                if acked.wait_for(|acked| (*acked).max(open.from.unwrap_or(0)) >= taken).await.is_err() {
                    return;
                }
                let length = chunk.len() as u64;
                alive = say(Message::Output(Output { offset: at, data: chunk, replay: at < head })).await;
                at += length;
            } else if let Some(exit) = end {
                say(Message::Exit(exit)).await;
                return;
            } else if log.changed().await.is_err() {
                return;
            }
        }
    }
}

#[tonic::async_trait]
impl Terminal for TerminalDouble {
    type AttachStream = ReceiverStream<Result<AttachResponse, Status>>;

    async fn attach(&self, request: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        if *self.down.borrow() {
            return Err(Status::unavailable("switched off"));
        }
        let mut requests = request.into_inner();
        let Some(attach_request::Message::Open(open)) = requests.message().await?.and_then(|first| first.message)
        else {
            return Err(Status::invalid_argument("the first request is not `open`"));
        };
        if open.mode() == Mode::Unspecified {
            return Err(Status::unimplemented("mode"));
        }
        let grant = self.grant_key.verify(&open.grant).map_err(|error| Status::unauthenticated(error.to_string()))?;
        let (sender, receiver) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let stream = self.accept(&grant, &sender, &stop)?;
        self.opens.send_modify(|opens| opens.push(open.clone()));
        let (double, mut cuts) = (self.clone(), self.cuts.subscribe());
        self.tasks.spawn(async move {
            let (acks, acked) = watch::channel(0);
            let gone = sender.clone();
            tokio::select! {
                () = double.send(open, acked, sender) => {}
                () = double.receive(requests, grant.clone(), stream, acks, gone.clone()) => {}
                () = gone.closed() => {}
                () = stop.cancelled() => {}
                _ = cuts.changed() => {}
            }
            double.leave(stream, grant.viewer);
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
