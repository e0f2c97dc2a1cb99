//! The terminal of sessions that have ended: what a runner would have sent, from the stored log.

use std::time::Duration;

use futures_util::stream::BoxStream;
use podling_proto::{
    convert::Malformed,
    replay::response,
    terminal::{
        AttachRequest, AttachResponse, Mode, Open, attach_request, attach_response::Message, terminal_server::Terminal,
    },
};
use podling_session::{
    capability::{self, Grant},
    phase::End,
    refusal::close,
    session::{Release, Session},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    error::Error,
    replay::{self, Pacing, Replay},
};
use crate::{core::Core, drain, logs::read::Stored};

/// A gateway sends `open` with the call.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct TerminalDoor {
    pub(super) core: Core,
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl Terminal for TerminalDoor {
    type AttachStream = BoxStream<'static, Result<AttachResponse, Status>>;

    async fn attach(&self, request: Request<Streaming<AttachRequest>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut inbound = request.into_inner();
        let open =
            timeout(OPEN_TIMEOUT, first(&mut inbound)).await.map_err(|_| Error::NotReady("no `open` came"))??;
        let replay = self.open(open, inbound).await?;
        let last = Ok(response(Message::Closed(replay::closed(close::DRAINING, "the controller is draining"))));
        Ok(Response::new(drain::until(self.stop.clone(), replay.into_stream(), last)))
    }
}

async fn first(inbound: &mut Streaming<AttachRequest>) -> Result<Open, Status> {
    match inbound.message().await?.and_then(|request| request.message) {
        Some(attach_request::Message::Open(open)) => Ok(open),
        _ => Err(Error::from(Malformed("first request: it is not `open`")).into()),
    }
}

impl TerminalDoor {
    async fn open(&self, open: Open, inbound: Streaming<AttachRequest>) -> Result<Replay, Error> {
        let mode = open.mode();
        if mode == Mode::Unspecified {
            return Err(Malformed("mode").into());
        }
        let grant = self.verify(&open.grant).await?;
        let (session, end) = self.ended(&grant).await?;
        let stored = Stored::find(&self.core.logs, self.core.system.as_ref(), &session).await?;
        // A viewer may hold more than was stored, when its runner died: it has seen all there is.
        let held = open.from.map(|from| from.min(stored.end()));
        let beginning = match (mode, held) {
            (Mode::Live, Some(held)) => stored.begin_live(held).await?,
            (_, Some(held)) if held < stored.first() => return Err(Error::NotKept { first: stored.first() }),
            (_, Some(held)) => stored.begin_at(held).await?,
            (Mode::Lossless, None) => stored.begin_at(stored.first()).await?,
            (_, None) => stored.begin_before(open.history_lines).await?,
        };
        let pacing = if mode == Mode::Plain { Pacing::AsAckedInTime } else { Pacing::AsAcked };
        let opening = replay::Opening { beginning, held, end, pacing };
        let seat = self.core.seats.take(&grant, self.core.clock.now()).await?;
        // After the seat: a revocation that this look does not see finds it.
        if let Some(share) = grant.who.share
            && self.core.shares.revoked_shares(session.uid).await?.contains(&share)
        {
            return Err(Error::Token);
        }
        Ok(Replay::new(inbound, seat, stored, opening))
    }

    async fn verify(&self, text: &str) -> Result<Grant, Error> {
        let refused = || Error::Grant("it is not one of ours");
        let uid = capability::claimed_session(text).map_err(|_| refused())?;
        let sealed = self.core.system.sealed(uid).await?.ok_or_else(refused)?;
        let key = self.core.seal.open_key(uid, &sealed)?;
        let grant = key.grant_key().verify(text).map_err(|_| refused())?;
        if grant.session == uid { Ok(grant) } else { Err(refused()) }
    }

    async fn ended(&self, grant: &Grant) -> Result<(Session, End), Error> {
        let session = self.core.system.find(grant.session).await?;
        let session = session.filter(|session| session.deleted_at.is_none()).ok_or(Error::NoSession)?;
        match (session.phase.end().cloned(), session.release) {
            (Some(end), Release::Released) => Ok((session, end)),
            _ => Err(Error::NotReady("the session's log is not settled yet")),
        }
    }
}
