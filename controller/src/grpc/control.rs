//! A runner's control stream: heartbeats up, orders down.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use podling_proto::control::{Assign, Beat, Heartbeat, Order, order};
use podling_session::{
    capability::SessionKey,
    id::{Incarnation, RunnerId},
    log::log_path,
    phase::{End, EndReason, Phase},
    session::Session,
    spec::Secrets,
    store::{self, RunnerRow},
};
use tonic::{Status, Streaming};
use tracing::{info, warn};

use super::{
    error::Error,
    orders::{Listener, Told, stop_order},
};
use crate::core::Core;

/// Opens the stream with Assign, or with Stop when the runner's incarnation is over; that of a warm runner with nothing.
pub(super) async fn stream(
    core: Core,
    runner: RunnerRow,
    heartbeats: Streaming<Heartbeat>,
) -> Result<BoxStream<'static, Result<Order, Status>>, Error> {
    let control = match runner.life {
        Some(life) => Control::serving(core, runner.id, life, heartbeats).await?,
        None => Control::waiting(core, runner.id, heartbeats).await?,
    };
    Ok(stream::unfold(control, |mut control| async move {
        let order = control.next().await?;
        Some((Ok(order), control))
    })
    .boxed())
}

struct Control {
    core: Core,
    runner: RunnerId,
    /// None while the runner waits to be claimed.
    life: Option<Incarnation>,
    heartbeats: Streaming<Heartbeat>,
    orders: Listener,
    first: Option<Order>,
    /// The runner was told on this stream: its heartbeats are only answered from then on.
    stopped: bool,
}

impl Control {
    async fn serving(
        core: Core,
        runner: RunnerId,
        life: Incarnation,
        heartbeats: Streaming<Heartbeat>,
    ) -> Result<Control, Error> {
        // Listening begins before the look: a stop in between is not lost.
        let orders = core.orders.listen(life);
        let (first, stopped) = first_order(&core, life).await?;
        catch_up(&core, life).await?;
        Ok(Control { core, runner, life: Some(life), heartbeats, orders, first: Some(first), stopped })
    }

    async fn waiting(core: Core, runner: RunnerId, heartbeats: Streaming<Heartbeat>) -> Result<Control, Error> {
        let orders = core.orders.wait(runner);
        info!("warm runner {runner} is connected");
        if !core.settings.alone && !core.orders.is_own(runner) && core.system.retire(runner).await? {
            info!("warm runner {runner} has lost its controller and is retired");
        }
        let mut control = Control { core, runner, life: None, heartbeats, orders, first: None, stopped: false };
        // A claim that came before the listening is found now.
        control.first = Some(control.look().await?);
        Ok(control)
    }

    /// `None` ends the stream: the runner went, or has connected anew.
    async fn next(&mut self) -> Option<Order> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        tokio::select! {
            biased;
            told = self.orders.recv() => match told? {
                Told::Assigned(life, order) => {
                    self.life = Some(life);
                    Some(order)
                }
                Told::Stopped(order) => {
                    self.stopped = true;
                    Some(order)
                }
                Told::Revoked(order) => Some(order),
            },
            heartbeat = self.heartbeats.message() => match heartbeat {
                Ok(Some(heartbeat)) => Some(self.answer(heartbeat).await),
                Ok(None) | Err(_) => None,
            },
        }
    }

    async fn answer(&mut self, heartbeat: Heartbeat) -> Order {
        let Some(life) = self.life else {
            return self.look().await.unwrap_or_else(|error| {
                warn!(%error, "the pool could not be looked at for runner {}", self.runner);
                beat(self.core.clock.now())
            });
        };
        let goes_on = self.core.beats.tell(life, told(heartbeat));
        if goes_on || self.stopped {
            return beat(self.core.clock.now());
        }
        match self.core.system.find(life.uid).await {
            Ok(session) => {
                self.stopped = true;
                let end = end_for(session.as_ref(), life).unwrap_or_else(moved_on);
                stop_order(&end, self.core.settings.grace)
            }
            Err(_) => beat(self.core.clock.now()),
        }
    }

    /// What a runner that waits is to do, as the store knows it: a claim is told as soon as it is made, and one whose
    /// telling was lost is found here.
    async fn look(&mut self) -> Result<Order, Error> {
        if self.stopped {
            return Ok(beat(self.core.clock.now()));
        }
        match self.core.system.runner(self.runner).await? {
            Some(RunnerRow { life: None, .. }) => Ok(beat(self.core.clock.now())),
            Some(RunnerRow { life: Some(life), .. }) => {
                self.orders = self.core.orders.listen(life);
                let (order, stopped) = first_order(&self.core, life).await?;
                catch_up(&self.core, life).await?;
                (self.life, self.stopped) = (Some(life), stopped);
                Ok(order)
            }
            None => {
                self.stopped = true;
                Ok(stop_order(&not_wanted(), Duration::ZERO))
            }
        }
    }
}

/// Tells of what was revoked while the runner was not on the line.
async fn catch_up(core: &Core, life: Incarnation) -> Result<(), Error> {
    let revoked = core.shares.revoked_shares(life.uid).await?;
    if !revoked.is_empty() {
        core.orders.revoke(life.uid, revoked);
    }
    Ok(())
}

/// Assign, or Stop when the incarnation is over, and which of the two.
async fn first_order(core: &Core, life: Incarnation) -> Result<(Order, bool), Error> {
    // Secrets are erased at the end: read before the look, they are whole if it finds the session alive.
    let sealed = core.system.sealed(life.uid).await?;
    let session = core.system.find(life.uid).await?;
    if let Some(end) = end_for(session.as_ref(), life) {
        return Ok((stop_order(&end, core.settings.grace), true));
    }
    let (session, sealed) = session.zip(sealed).ok_or(Error::NoSession)?;
    let (key, secrets) = (core.seal.open_key(life.uid, &sealed)?, core.seal.open_secrets(life.uid, &sealed)?);
    info!(session.id = %life.uid, "the runner of session {} is connected", life.uid);
    Ok((assignment(&session, &key, secrets, core.clock.now()), false))
}

fn told(heartbeat: Heartbeat) -> store::Beat {
    store::Beat {
        idle_for: Duration::from_millis(heartbeat.idle_millis),
        viewers: heartbeat.viewers,
        log_end: heartbeat.log_end,
    }
}

fn beat(now: Timestamp) -> Order {
    Order { order: Some(order::Order::Beat(Beat { now_micros: now.as_microsecond() })) }
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

fn not_wanted() -> End {
    End { detail: "The pool has no place for this runner.".to_owned(), ..End::because(EndReason::Stopped) }
}

/// What a runner is told of its session. The secrets are on their way to it alone.
pub(crate) fn assignment(session: &Session, key: &SessionKey, secrets: Secrets, now: Timestamp) -> Order {
    let assign = Assign {
        uid: session.uid.to_string(),
        incarnation: session.incarnation,
        spec: Some(session.spec.clone().into()),
        secrets: secrets.into_iter().collect(),
        grant_key: Bytes::copy_from_slice(key.grant_key().expose()),
        now_micros: now.as_microsecond(),
        log_path: log_path(&session.owner.tenant, session.life()),
    };
    Order { order: Some(order::Order::Assign(assign)) }
}
