//! The session's side of one viewer: where the session is, the stream to it, and the way back when that stream breaks.
//!
//! ```text
//! Admitted --runner or stored--> Found --opened--> Attached --exit or closed--> Over
//!     ^                            |                  |
//!     |  admitted anew             | cannot connect   | cut
//!     +-------------------------- Lost <--------------+       too long, or refused: Over
//! ```
//!
//! The viewer keeps its socket through all of it: a cut stream is admitted again with the newest resume token and goes
//! on at the offset that was reached, so nothing is lost or doubled, and a dead runner's session ends properly from
//! the stored log.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, stream};
use podling_daemon::request;
use podling_proto::{
    channel::InvalidAddress,
    control::{Admitted, AtRunner, admit_response},
    terminal::{
        AttachResponse, Closed, Fetched, Mode, Open, Opened, Output, Roll, Skipped, Snapshot, Stage, WindowSize,
        attach_response, terminal_client::TerminalClient,
    },
};
use podling_session::refusal::{Refusal, close};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Request, Status, Streaming, transport::Channel};
use tracing::{info, warn};

use crate::{
    Inner,
    admit::{self, Admission},
    admitting::Admitting,
    attach::{Ask, Capability, Dialect},
    close::{Ending, ending},
    inbox::Inbox,
    outage::{Outage, Step},
    runner::Connection,
};

/// How long a runner may take to answer Attach.
const ATTACH_TIMEOUT: Duration = Duration::from_secs(10);
/// The same in an outage that the viewer was not told of yet: with the silence that a connection is given up for, it is
/// what a viewer waits for that word.
const SHORT_ATTACH_TIMEOUT: Duration = Duration::from_secs(2);
/// A stream that stood for less, and carried nothing, is part of the outage before it.
const STEADY: Duration = Duration::from_secs(1);
/// The largest answer: a screen of 500x1000 cells, each with attributes of its own.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// What a viewer is shown while its session cannot be reached.
const UNREACHABLE: &str = "unreachable";

/// What happens to a viewer, in order. `End` is the last.
#[derive(Debug)]
pub(crate) enum Event {
    Resume {
        generation: u32,
        token: String,
    },
    Stage(Stage),
    Output(Output),
    /// The whole screen; output goes on from its offset.
    Snapshot(Snapshot),
    Skipped(Skipped),
    Fetched(Fetched),
    /// How much of the viewer's input its program has taken, in bytes.
    InputTaken(u64),
    /// The window size from here on; also once per stream, as its first event.
    Resized(WindowSize),
    Viewers(u32),
    Roll(Roll),
    Mark(String),
    End(Ending),
}

pub(crate) struct Upstream {
    gateway: Arc<Inner>,
    ask: Ask,
    inbox: Inbox,
    state: State,
    /// An event that comes before those of the state.
    greeting: Option<Event>,
    /// The newest resume token, which the viewer may not have got yet.
    newest: Resume,
    /// What the viewer surely holds: to show more for it would lock it out, should our answers be lost.
    held: Capability,
    /// The offset that the viewer has come to; none before its first byte.
    reached: Option<u64>,
    attached_at: Option<Instant>,
    outage: Option<Outage>,
}

#[derive(Default)]
struct Resume {
    generation: u32,
    token: String,
}

enum State {
    Admitted(Admitting),
    Found(Place),
    Attached { stream: Streaming<AttachResponse>, _connection: Option<Connection> },
    Lost,
    Over,
}

enum Place {
    Runner { grant: String, connection: Connection },
    Stored { grant: String },
}

/// A stream that was accepted.
struct Attached {
    stream: Streaming<AttachResponse>,
    connection: Option<Connection>,
    opened: Opened,
    /// How much input the streams before it were given.
    input_before: u64,
}

impl Upstream {
    pub(crate) fn new(gateway: Arc<Inner>, ask: Ask, admission: Admission, inbox: Inbox) -> Upstream {
        let mut upstream = Upstream {
            gateway,
            held: ask.capability.clone(),
            ask,
            inbox,
            state: State::Lost,
            greeting: None,
            newest: Resume::default(),
            reached: None,
            attached_at: None,
            outage: None,
        };
        upstream.greeting = Some(upstream.admit(admission));
        upstream
    }

    /// The events, as a stream that may be polled and left at any time.
    pub(crate) fn events(self) -> impl Stream<Item = Event> + Send {
        stream::unfold(self, |mut upstream| async move { upstream.next().await.map(|event| (event, upstream)) })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(greeting) = self.greeting.take() {
                return Some(greeting);
            }
            let event = match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return None,
                State::Admitted(stream) => self.locate(stream).await,
                State::Found(place) => self.attach(place).await,
                State::Attached { stream, _connection } => self.follow(stream, _connection).await,
                State::Lost => self.come_back().await,
            };
            if event.is_some() {
                return event;
            }
        }
    }

    fn admit(&mut self, admission: Admission) -> Event {
        let Admission { admitted, stream } = admission;
        let Admitted { generation, resume_token: token, .. } = admitted;
        self.newest = Resume { generation, token: token.clone() };
        self.state = State::Admitted(stream);
        Event::Resume { generation, token }
    }

    /// Waits for the session to have a place.
    async fn locate(&mut self, mut stream: Admitting) -> Option<Event> {
        use admit_response::Message;
        let message = match stream.message().await {
            Ok(Some(response)) => response.message,
            Ok(None) => return self.lose("the controller ended Admit early"),
            Err(status) => return self.lose(status.message()),
        };
        match message {
            Some(Message::Stage(stage)) => {
                self.state = State::Admitted(stream);
                Some(Event::Stage(stage))
            }
            Some(Message::Runner(runner)) => self.found(runner),
            Some(Message::Stored(stored)) => {
                self.state = State::Found(Place::Stored { grant: stored.grant });
                None
            }
            Some(Message::Admitted(_)) | None => {
                self.state = State::Admitted(stream); // A newer controller's message: nothing to us.
                None
            }
        }
    }

    fn found(&mut self, runner: AtRunner) -> Option<Event> {
        let AtRunner { grant, address, certificate } = runner;
        let address = match address.parse() {
            Ok(address) => address,
            Err(error) => return self.lose(&InvalidAddress::to_string(&error)),
        };
        match self.gateway.runners.connection(address, certificate) {
            Ok(connection) => {
                self.state = State::Found(Place::Runner { grant, connection });
                None
            }
            Err(error) => self.lose(&error.to_string()),
        }
    }

    async fn attach(&mut self, place: Place) -> Option<Event> {
        let patience = match &self.outage {
            Some(outage) if !outage.is_shown() => SHORT_ATTACH_TIMEOUT,
            _ => ATTACH_TIMEOUT,
        };
        match timeout(patience, self.open(place)).await {
            Ok(Ok(attached)) => {
                let Attached { stream, connection, opened, input_before } = attached;
                self.attached_at = Some(Instant::now());
                self.state = State::Attached { stream, _connection: connection };
                self.greeting = (input_before > 0).then_some(Event::InputTaken(input_before));
                opened.size.map(Event::Resized)
            }
            Ok(Err(status)) => match ending(&status) {
                Some(ending) => Some(Event::End(ending)),
                None => self.lose(status.message()),
            },
            Err(_) => {
                if let Some(outage) = &mut self.outage {
                    outage.unanswered();
                }
                self.lose("no answer to Attach in time")
            }
        }
    }

    async fn open(&self, place: Place) -> Result<Attached, Status> {
        let controller = &self.gateway.controller;
        let (response, opening, connection) = match place {
            Place::Runner { grant, connection } => {
                let (requests, opening) = self.inbox.requests(self.open_message(grant));
                let mut client = terminal(Channel::clone(&connection));
                let mut call = Request::new(requests);
                request::carry(call.metadata_mut());
                (client.attach(call).await?, opening, Some(connection))
            }
            Place::Stored { grant } => {
                let (requests, opening) = self.inbox.requests(self.open_message(grant));
                let mut client = terminal(controller.channel());
                (client.attach(controller.authorized(requests)).await?, opening, None)
            }
        };
        let mut stream = response.into_inner();
        match stream.message().await?.and_then(|response| response.message) {
            Some(attach_response::Message::Opened(opened)) => {
                Ok(Attached { stream, connection, opened, input_before: opening.opened() })
            }
            _ => Err(Status::unavailable("the first answer to Attach is not `opened`")),
        }
    }

    /// A viewer that has seen bytes goes on at the next; from then on a plain one, too, wants each of them.
    fn open_message(&self, grant: String) -> Open {
        let Ask { mode, from, history_lines, .. } = self.ask;
        match self.reached {
            None => Open { grant, mode: mode.into(), from, history_lines },
            Some(reached) => {
                let mode = if mode == Mode::Plain { Mode::Lossless } else { mode };
                Open { grant, mode: mode.into(), from: Some(reached), history_lines: 0 }
            }
        }
    }

    async fn follow(&mut self, mut stream: Streaming<AttachResponse>, connection: Option<Connection>) -> Option<Event> {
        use attach_response::Message;
        let message = match stream.message().await {
            Ok(Some(response)) => response.message,
            Ok(None) => return self.lose("the stream was cut"),
            Err(status) => match ending(&status) {
                Some(ending) => return Some(Event::End(ending)),
                None => return self.lose(status.message()),
            },
        };
        let event = match message {
            Some(Message::Exit(exit)) => return Some(Event::End(Ending::Exit(exit))),
            Some(Message::Closed(closed)) => return self.closed(closed),
            Some(Message::Output(output)) => self.reach(output).map(Event::Output),
            Some(Message::Snapshot(screen)) => {
                self.reached = Some(screen.offset);
                self.outage = None;
                Some(Event::Snapshot(screen))
            }
            Some(Message::Skipped(skipped)) => Some(Event::Skipped(skipped)),
            Some(Message::Fetched(fetched)) => Some(Event::Fetched(fetched)),
            Some(Message::InputTaken(total)) => {
                Some(self.inbox.taken(total)).filter(|taken| *taken > 0).map(Event::InputTaken)
            }
            Some(Message::Stage(stage)) => Some(Event::Stage(stage)),
            Some(Message::Resized(size)) => Some(Event::Resized(size)),
            Some(Message::Viewers(count)) => Some(Event::Viewers(count)),
            Some(Message::Roll(roll)) => Some(Event::Roll(roll)),
            Some(Message::Mark(mark)) => Some(Event::Mark(mark)),
            Some(Message::Opened(_)) | None => None,
        };
        self.state = State::Attached { stream, _connection: connection };
        event
    }

    /// Cuts off what the viewer has already, which a new stream may begin with.
    fn reach(&mut self, mut output: Output) -> Option<Output> {
        let seen = self.reached.map_or(0, |reached| reached.saturating_sub(output.offset));
        let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(output.data.len());
        drop::<Bytes>(output.data.split_to(seen));
        output.offset += seen as u64;
        if output.data.is_empty() {
            return None;
        }
        self.reached = Some(output.offset + output.data.len() as u64);
        self.outage = None; // A stream that makes progress is none, however soon it breaks again.
        Some(output)
    }

    /// A runner that ends sends its viewers away; the rest of the log is elsewhere by then.
    fn closed(&mut self, closed: Closed) -> Option<Event> {
        let Closed { code, reason } = closed;
        let code = u16::try_from(code).unwrap_or(1011);
        if code == close::DRAINING {
            return self.lose("the runner drains");
        }
        Some(Event::End(Ending::Closed { code, reason }))
    }

    fn lose(&mut self, why: &str) -> Option<Event> {
        let uid = self.ask.uid;
        info!(session.uid = %uid, why, "session {uid} cannot be reached, trying again");
        let steady = self.attached_at.take().is_some_and(|at| at.elapsed() >= STEADY);
        if steady || self.outage.is_none() {
            self.outage = Some(Outage::new(Instant::now()));
        }
        self.state = State::Lost;
        None
    }

    async fn come_back(&mut self) -> Option<Event> {
        self.state = State::Lost;
        let outage = self.outage.get_or_insert_with(|| Outage::new(Instant::now()));
        match outage.step(&self.gateway.config.limits, Instant::now()) {
            Step::Show(elapsed) => {
                let elapsed_millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                return Some(Event::Stage(Stage { name: UNREACHABLE.to_owned(), elapsed_millis }));
            }
            Step::GiveUp => {
                self.state = State::Over;
                return Some(Event::End(Ending::Unreachable));
            }
            Step::TryAfter(pause) => sleep(pause).await,
        }
        if self.ask.dialect == Dialect::Plain || self.inbox.held() >= self.newest.generation {
            self.held = self.newest.capability();
        }
        let ask = Ask { capability: self.held.clone(), ..self.ask.clone() };
        match admit::admit(&self.gateway, &ask).await {
            Ok(admission) => {
                if let Some(outage) = &mut self.outage {
                    outage.controller_answered(Instant::now());
                }
                Some(self.admit(admission))
            }
            Err(Refusal::Unavailable) => None,
            // It has expired meanwhile: nobody can come back with it any more.
            Err(Refusal::Token) if matches!(self.held, Capability::Session { .. }) => {
                self.held = self.newest.capability();
                None
            }
            Err(refusal) => {
                warn!(session.uid = %self.ask.uid, ?refusal, "a viewer that lost its stream was not admitted again");
                self.state = State::Over;
                Some(Event::End(Ending::Refused(refusal.into())))
            }
        }
    }
}

fn terminal(channel: Channel) -> TerminalClient<Channel> {
    TerminalClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
}

impl Resume {
    fn capability(&self) -> Capability {
        Capability::Resume { token: self.token.clone() }
    }
}
