//! The control stream: heartbeats up, orders down, opened again whenever it is lost.

use std::{sync::Arc, time::Duration};

use podling_proto::control::{self, Heartbeat, order};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::{debug, warn};

use super::{
    CALL_TIMEOUT, Controller,
    backoff::Backoff,
    orders::{Order, Orders, Stop},
};
use crate::{activity::Activity, attach::Registry, terminal::Head};

/// How often a runner tells that it lives.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// A stream that answers no heartbeat for this long is opened anew.
const DEAF: Duration = Duration::from_secs(10);
/// A heartbeat that still waits is as good as the next.
const QUEUE: usize = 1;

/// What heartbeats tell.
#[derive(Clone, Debug)]
pub(crate) struct Vitals {
    pub(crate) activity: Arc<Activity>,
    pub(crate) viewers: watch::Receiver<u32>,
    pub(crate) head: watch::Receiver<Head>,
}

impl Vitals {
    fn heartbeat(&self) -> Heartbeat {
        let idle_millis = u64::try_from(self.activity.idle().as_millis()).unwrap_or(u64::MAX);
        Heartbeat { idle_millis, viewers: *self.viewers.borrow(), log_end: self.head.borrow().offset }
    }
}

/// Keeps the stream open until the controller counts as gone, which is an order of its own.
pub(crate) async fn attend(controller: Controller, mut vitals: Vitals, orders: Arc<Orders>, registry: Arc<Registry>) {
    let mut backoff = Backoff::new();
    loop {
        match open(&controller).await {
            Ok((beats, stream)) => {
                backoff = Backoff::new();
                follow(&controller, beats, stream, &mut vitals, (&orders, &registry)).await;
            }
            Err(status) => {
                debug!(%status, "the control stream cannot be opened");
                controller.contact.failed(&status);
            }
        }
        if controller.contact.check() {
            warn!("the controller is gone");
            return orders.order(Order::Abandon);
        }
        sleep(backoff.next()).await;
    }
}

async fn open(controller: &Controller) -> Result<(mpsc::Sender<Heartbeat>, Streaming<control::Order>), Status> {
    let (beats, queue) = mpsc::channel(QUEUE);
    let mut client = controller.client.clone();
    let call = client.control(controller.signed(ReceiverStream::new(queue)));
    let response = timeout(CALL_TIMEOUT, call).await.map_err(|elapsed| Status::from_error(Box::new(elapsed)))??;
    Ok((beats, response.into_inner()))
}

/// Serves one stream until it is lost.
async fn follow(
    controller: &Controller,
    beats: mpsc::Sender<Heartbeat>,
    mut stream: Streaming<control::Order>,
    vitals: &mut Vitals,
    told: (&Orders, &Registry),
) {
    let mut tick = interval(HEARTBEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            order = stream.message() => match order {
                Ok(Some(order)) => {
                    heard = Instant::now();
                    controller.contact.heard();
                    obey(order, told);
                }
                Ok(None) => return,
                Err(status) => return debug!(%status, "the control stream is lost"),
            },
            _ = tick.tick() => {
                if heard.elapsed() > DEAF || controller.contact.check() {
                    return;
                }
                let _ = beats.try_send(vitals.heartbeat()); // A full queue holds one that is as good.
            }
            Ok(()) = vitals.viewers.changed() => {
                let _ = beats.try_send(vitals.heartbeat()); // The same.
            }
        }
    }
}

fn obey(order: control::Order, (orders, registry): (&Orders, &Registry)) {
    match order.order {
        Some(order::Order::Assign(assign)) => {
            orders.clock.set(assign.now_micros);
            orders.assign(assign);
        }
        Some(order::Order::Stop(stop)) => orders.order(Order::Stop(Stop::parse(stop))),
        Some(order::Order::Beat(beat)) => orders.clock.set(beat.now_micros),
        Some(order::Order::Revoke(revoke)) => registry.revoke(revoke.shares.iter().filter_map(|id| id.parse().ok())),
        None => debug!("an order of a kind that this build does not know"),
    }
}
