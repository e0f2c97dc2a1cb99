//! The output of a session as one stream, wherever it is served.

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use podling_controller::logs::follow::{self, Until};
use podling_proto::terminal::{
    AttachRequest, AttachResponse, Exit, Mode, Opened, Output, attach_request,
    attach_response::Message,
    terminal_server::{Terminal, TerminalServer},
};
use podling_session::{capability::GrantKey, phase::End, session::Session, token::Scope};
use tokio::{sync::Notify, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use super::{
    log::{Writer, output},
    world::{PATIENCE, World, stopped},
};

/// A runner that says what it was told to say, from the offset that it is asked for.
struct Scripted {
    key: GrantKey,
    text: &'static [u8],
    head: u64,
    /// Whether the session ends with its text; else the stream is cut when the cue comes.
    ends: bool,
    cue: Arc<Notify>,
}

#[tonic::async_trait]
impl Terminal for Scripted {
    type AttachStream = BoxStream<'static, Result<AttachResponse, Status>>;

    async fn attach(&self, request: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        let first = request.into_inner().message().await?.and_then(|request| request.message);
        let Some(attach_request::Message::Open(open)) = first else { panic!("not `open`") };
        let grant = self.key.verify(&open.grant).expect("signed with the session's key");
        assert_eq!((grant.scope, open.mode()), (Scope::ReadOnly, Mode::Lossless));
        let from = open.from.unwrap_or_default();
        let opened = Opened { first_offset: 0, head_offset: self.head, from, size: None };
        let data = self.text[usize::try_from(from).expect("small")..].into();
        let output = Output { offset: from, data, replay: true };
        let said = [Message::Opened(opened), Message::Output(output)].map(Ok).to_vec();
        let last = match self.ends {
            true => Message::Exit(Exit::from(End::exit(0))),
            false => Message::Viewers(1),
        };
        let cue = self.cue.clone();
        let last = futures_util::stream::once(async move {
            cue.notified().await;
            Ok(last)
        });
        let said = tokio_stream::iter(said).chain(last);
        Ok(Response::new(said.map(|message: Result<_, Status>| Ok(AttachResponse { message: Some(message?) })).boxed()))
    }
}

struct Runner {
    cue: Arc<Notify>,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Runner {
    async fn start(world: &World, session: &Session, text: &'static [u8], head: u64, ends: bool) -> Runner {
        let cue = Arc::new(Notify::new());
        let key = world.key(session.uid).await.grant_key();
        let terminal = TerminalServer::new(Scripted { key, text, head, ends, cue: cue.clone() });
        let listener = podling_daemon::grpc::bind(&world.runner_socket()).expect("a socket");
        let (stop, mut serving) = (CancellationToken::new(), JoinSet::new());
        let served = podling_daemon::grpc::serve(listener, Server::builder().add_service(terminal), stop.clone());
        serving.spawn(async move { served.await.expect("it serves until it is stopped") });
        Runner { cue, stop, serving }
    }

    async fn die(mut self) {
        self.cue.notify_waiters();
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }
}

async fn text(stream: impl Stream<Item = std::io::Result<bytes::Bytes>>) -> String {
    let mut stream = pin!(stream);
    let mut bytes = Vec::new();
    while let Some(chunk) = timeout(PATIENCE, stream.next()).await.expect("the stream hangs") {
        bytes.extend_from_slice(&chunk.expect("no error"));
    }
    String::from_utf8(bytes).expect("ASCII")
}

fn open(
    world: &World,
    session: &Session,
    from: Option<u64>,
    until: Until,
) -> impl Stream<Item = std::io::Result<bytes::Bytes>> + use<> {
    follow::open(&world.core, session, from, until)
}

#[tokio::test]
async fn a_session_that_has_not_begun_has_no_output_yet() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    assert_eq!(text(open(&world, &session, None, Until::Head)).await, "");
    let mut waiting = pin!(open(&world, &session, None, Until::End));
    assert!(timeout(Duration::from_millis(300), waiting.next()).await.is_err());
    world.end(session.life(), &stopped()).await;
    world.release(session.life()).await;
    assert!(timeout(PATIENCE, waiting.next()).await.expect("it ends").is_none());
}

#[tokio::test]
async fn without_following_a_live_log_ends_at_its_head() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    world.register(&session).await;
    let runner = Runner::start(&world, &session, b"hello world", 11, false).await;
    assert_eq!(text(open(&world, &session, None, Until::Head)).await, "hello world");
    assert_eq!(text(open(&world, &session, Some(6), Until::Head)).await, "world");
    runner.die().await;
}

#[tokio::test]
async fn a_followed_log_ends_with_the_session() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    world.register(&session).await;
    let runner = Runner::start(&world, &session, b"hello world", 0, true).await;
    let mut stream = Box::pin(open(&world, &session, Some(4), Until::End));
    let first = timeout(PATIENCE, stream.next()).await.expect("output").expect("not the end").expect("no error");
    assert_eq!(first, "o world");
    runner.cue.notify_one();
    assert_eq!(text(stream).await, "");
    runner.die().await;
}

#[tokio::test]
async fn when_the_runner_dies_the_stored_log_goes_on_where_it_stopped() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    world.register(&session).await;
    let runner = Runner::start(&world, &session, b"hello", 5, false).await;
    let mut stream = Box::pin(open(&world, &session, None, Until::End));
    let first = timeout(PATIENCE, stream.next()).await.expect("output").expect("not the end").expect("no error");
    assert_eq!(first, "hello");
    Writer::new(&world, &session).write(vec![output("hel"), output("lo wor"), output("ld")]);
    runner.die().await;
    world.end(session.life(), &stopped()).await;
    world.core.logs.settle(&world.core, session.life()).await.expect("settled");
    world.release(session.life()).await;
    assert_eq!(text(stream).await, " world");
}

#[tokio::test]
async fn a_stored_log_is_read_from_any_offset() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut writer = Writer::new(&world, &session);
    writer.seal(vec![output("hello ")]).await;
    writer.seal(vec![output("world")]).await;
    world.end(session.life(), &stopped()).await;
    world.release(session.life()).await;
    for (from, expected) in [(None, "hello world"), (Some(3), "lo world"), (Some(6), "world"), (Some(99), "")] {
        for until in [Until::Head, Until::End] {
            assert_eq!(text(open(&world, &session, from, until)).await, expected, "{from:?} {until:?}");
        }
    }
    std::fs::write(super::log::file(&world, &session, 1), b"scribbled over").expect("written");
    let items: Vec<_> = open(&world, &session, None, Until::End).collect().await;
    assert!(items[0].is_ok() && items[1].is_err() && items.len() == 2, "{items:?}");
}
