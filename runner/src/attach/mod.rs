//! Viewers: `podling.terminal.v1.Terminal`, served to gateways on the runner's own socket.
//!
//! The runner alone decides who is attached (`registry`), where a stream begins (`begin`), how it goes on (`view`) and how
//! much of it is on the way (`credit`), and what a viewer may do to the program (`inbound`). The controller types and looks
//! without being one (`direct`).

mod begin;
mod credit;
mod direct;
mod fetch;
mod inbound;
mod outbound;
mod registry;
mod view;

#[cfg(test)]
mod tests;

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use jiff::Timestamp;
use podling_proto::terminal::{
    AttachRequest, AttachResponse, Mode, Open, attach_request::Message, terminal_server::Terminal,
};
use podling_session::{
    capability::{Grant, GrantKey},
    id::Uid,
    viewers::Refused,
};
use tokio::{sync::SetOnce, time::timeout};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    activity::Activity,
    controller::Orders,
    terminal::{Follower, Hand, Keyboard, Log, Window},
};

use outbound::Outbound;
use view::Pace;

pub(crate) use registry::{LeaseChange, Registry};

/// How long a viewer may take to say what it wants.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a viewer waits for the assignment: a gateway may be told of the runner a moment before it.
const ASSIGNMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// What viewers attach to, once the runner is assigned.
pub(crate) struct Stage {
    pub(crate) session: Uid,
    pub(crate) grants: GrantKey,
    pub(crate) log: Arc<Log>,
    pub(crate) follower: Follower,
    pub(crate) window: Window,
    pub(crate) keyboard: Keyboard,
    pub(crate) activity: Arc<Activity>,
}

/// The door: who comes before the stage is set waits a little (then UNAVAILABLE).
#[derive(Clone)]
pub(crate) struct Door {
    stage: Arc<SetOnce<Arc<Stage>>>,
    registry: Arc<Registry>,
    orders: Arc<Orders>,
    /// What listens to viewers.
    listeners: TaskTracker,
    /// What the controller typed.
    direct: Arc<Hand>,
}

impl Door {
    pub(crate) fn new(registry: Arc<Registry>, orders: Arc<Orders>) -> Door {
        Door { stage: Arc::default(), registry, orders, listeners: TaskTracker::new(), direct: Arc::default() }
    }

    pub(crate) fn open(&self, stage: Arc<Stage>) {
        let _ = self.stage.set(stage); // Assigned once.
    }

    /// Returns when nobody listens to a viewer any more.
    pub(crate) async fn closed(&self) {
        self.listeners.close();
        self.listeners.wait().await;
    }

    /// What a grant of this session says, and the time.
    async fn verify(&self, grant: &str) -> Result<(&Arc<Stage>, Grant, Timestamp), Status> {
        let unavailable = || Status::unavailable("the session is not here yet");
        let stage = timeout(ASSIGNMENT_TIMEOUT, self.stage.wait()).await.map_err(|_| unavailable())?;
        let now = self.orders.clock.now().ok_or_else(unavailable)?;
        let refused = || Status::unauthenticated("the grant is refused");
        let grant = stage.grants.verify(grant).map_err(|_| refused())?;
        if grant.session == stage.session { Ok((stage, grant, now)) } else { Err(refused()) }
    }

    async fn admit(&self, open: Open) -> Result<(Arc<registry::Viewer>, Outbound), Status> {
        let (stage, grant, now) = self.verify(&open.grant).await?;
        let pace = pace(open.mode())?;
        begin::check(stage, &open, pace)?;
        let viewer = Arc::new(self.registry.admit(&grant, now).await.map_err(refused)?);
        let beginning = match begin::begin(stage, &open, pace).await {
            Ok(beginning) => beginning,
            Err(status) => {
                viewer.end();
                return Err(status);
            }
        };
        let outbound = Outbound::new(Arc::clone(&viewer), Arc::clone(stage), beginning, pace);
        Ok((viewer, outbound))
    }
}

fn pace(mode: Mode) -> Result<Pace, Status> {
    match mode {
        Mode::Lossless => Ok(Pace::Lossless),
        Mode::Plain => Ok(Pace::Plain),
        Mode::Live => Ok(Pace::Live),
        Mode::Unspecified => Err(Status::invalid_argument("the mode is missing or unknown")),
    }
}

fn refused(refused: Refused) -> Status {
    match refused {
        Refused::TooMany => Status::resource_exhausted(refused.to_string()),
        Refused::OtherNonce | Refused::OldGeneration | Refused::OlderGrant | Refused::Expired | Refused::Revoked => {
            Status::unauthenticated(refused.to_string())
        }
    }
}

#[tonic::async_trait]
impl Terminal for Door {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<AttachResponse, Status>> + Send>>;

    async fn attach(&self, request: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut requests = request.into_inner();
        let first = timeout(OPEN_TIMEOUT, requests.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("the first request did not come"))??;
        let Some(AttachRequest { message: Some(Message::Open(open)) }) = first else {
            return Err(Status::invalid_argument("the first request must be open"));
        };
        let (viewer, outbound) = self.admit(open).await?;
        self.listeners.spawn(inbound::listen(requests, viewer, outbound.stage()));
        Ok(Response::new(Box::pin(outbound.into_stream())))
    }
}
