//! A runner's control stream: heartbeats up, orders down.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use podling_proto::control::{Assign, Beat, Heartbeat, Order, order};
use podling_session::{
    id::Incarnation,
    phase::{End, EndReason, Phase},
    session::Session,
    store::{self, Sealed},
};
use tonic::{Status, Streaming};
use tracing::{info, warn};

use super::{
    error::Error,
    orders::{Listener, stop_order},
};
use crate::core::Core;

/// Opens the stream with Assign, or with Stop when the runner's incarnation is over.
pub(super) async fn stream(
    core: Core,
    life: Incarnation,
    heartbeats: Streaming<Heartbeat>,
) -> Result<BoxStream<'static, Result<Order, Status>>, Error> {
    // Listening begins before the look: a stop in between is not lost.
    let orders = core.orders.listen(life);
    // Secrets are erased at the end: read before the look, they are whole if it finds the session alive.
    let sealed = core.system.sealed(life.uid).await?;
    let session = core.system.find(life.uid).await?;
    let control = match end_for(session.as_ref(), life) {
        None => {
            let session = session.ok_or(Error::NoSession)?;
            let first = assign(&core, &session, &sealed.ok_or(Error::NoSession)?)?;
            info!(session.id = %life.uid, "the runner of session {} is connected", life.uid);
            Control { core, life, heartbeats, orders, first: Some(first), stopped: false }
        }
        Some(end) => {
            let first = stop_order(&end, core.settings.grace);
            Control { core, life, heartbeats, orders, first: Some(first), stopped: true }
        }
    };
    Ok(stream::unfold(control, |mut control| async move {
        let order = control.next().await?;
        Some((Ok(order), control))
    })
    .boxed())
}

struct Control {
    core: Core,
    life: Incarnation,
    heartbeats: Streaming<Heartbeat>,
    orders: Listener,
    first: Option<Order>,
    /// The runner was told on this stream: its heartbeats are only answered from then on.
    stopped: bool,
}

impl Control {
    /// `None` ends the stream: the runner went, or has connected anew.
    async fn next(&mut self) -> Option<Order> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        tokio::select! {
            biased;
            order = self.orders.recv() => {
                self.stopped = true;
                order
            }
            heartbeat = self.heartbeats.message() => match heartbeat {
                Ok(Some(heartbeat)) => Some(self.answer(heartbeat).await),
                Ok(None) | Err(_) => None,
            },
        }
    }

    async fn answer(&mut self, heartbeat: Heartbeat) -> Order {
        let goes_on = match self.core.system.beat(self.life, told(heartbeat)).await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                // A store that is down ends no session: the runner hears from us, and goes on.
                warn!(%error, "the heartbeat of session {} was not stored", self.life.uid);
                true
            }
        };
        if goes_on || self.stopped {
            return beat();
        }
        match self.core.system.find(self.life.uid).await {
            Ok(session) => {
                self.stopped = true;
                let end = end_for(session.as_ref(), self.life).unwrap_or_else(moved_on);
                stop_order(&end, self.core.settings.grace)
            }
            Err(_) => beat(),
        }
    }
}

fn told(heartbeat: Heartbeat) -> store::Beat {
    store::Beat {
        idle_for: Duration::from_millis(heartbeat.idle_millis),
        viewers: heartbeat.viewers,
        log_end: heartbeat.log_end,
    }
}

fn beat() -> Order {
    Order { order: Some(order::Order::Beat(Beat { now_micros: Timestamp::now().as_microsecond() })) }
}

/// The end that a runner is to be told; none while its incarnation is the session's current one.
fn end_for(session: Option<&Session>, life: Incarnation) -> Option<End> {
    match session {
        None => Some(End::because(EndReason::Stopped)),
        Some(session) if session.incarnation != life.number => Some(moved_on()),
        Some(session) => match &session.phase {
            Phase::Ended(end) => Some(end.clone()),
            _ => None,
        },
    }
}

fn moved_on() -> End {
    let detail = "The session goes on in another runner.".to_owned();
    End { reason: EndReason::RunnerLost, exit_code: None, detail }
}

/// Secrets leave the seal here, on their way to the runner alone.
fn assign(core: &Core, session: &Session, sealed: &Sealed) -> Result<Order, Error> {
    let key = core.seal.open_key(session.uid, sealed)?;
    let secrets = core.seal.open_secrets(session.uid, sealed)?;
    let assign = Assign {
        uid: session.uid.to_string(),
        incarnation: session.incarnation,
        spec: Some(session.spec.clone().into()),
        secrets: secrets.into_iter().collect(),
        grant_key: Bytes::copy_from_slice(key.grant_key().expose()),
        now_micros: Timestamp::now().as_microsecond(),
    };
    Ok(Order { order: Some(order::Order::Assign(assign)) })
}
