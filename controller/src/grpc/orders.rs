//! The control streams that are open at this controller, and how orders reach them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use podling_proto::control::{Order, Stop, order};
use podling_session::{id::Incarnation, phase::End};
use tokio::sync::mpsc;

/// Stop is the only order that is sent from outside, and the second says nothing that the first did not.
const WAITING_ORDERS: usize = 4;

/// The open control stream of each incarnation that has one here.
#[derive(Default)]
pub struct Orders {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    open: HashMap<Incarnation, Open>,
    last_number: u64,
}

struct Open {
    /// Tells a stream from the one that took its place.
    number: u64,
    orders: mpsc::Sender<Order>,
}

impl Orders {
    /// Tells the runner of an incarnation to end. `false` when it has no stream here.
    pub fn stop(&self, life: Incarnation, end: &End, grace: Duration) -> bool {
        let streams = self.lock();
        let Some(open) = streams.open.get(&life) else { return false };
        match open.orders.try_send(stop_order(end, grace)) {
            // Full of stops that the runner has not taken yet.
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Whether the runner of an incarnation is on the line right now.
    pub fn connected(&self, life: Incarnation) -> bool {
        self.lock().open.contains_key(&life)
    }

    /// Opens the stream of an incarnation. One that was open ends: its runner connected again.
    pub(super) fn listen(self: &Arc<Self>, life: Incarnation) -> Listener {
        let (sender, orders) = mpsc::channel(WAITING_ORDERS);
        let mut streams = self.lock();
        streams.last_number += 1;
        let number = streams.last_number;
        streams.open.insert(life, Open { number, orders: sender });
        Listener { registry: self.clone(), life, number, orders }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().expect("no holder of this lock panics")
    }
}

/// One control stream's end of the registry; leaves it when dropped.
pub(super) struct Listener {
    registry: Arc<Orders>,
    life: Incarnation,
    number: u64,
    orders: mpsc::Receiver<Order>,
}

impl Listener {
    /// The next order; none when another stream took this one's place. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<Order> {
        self.orders.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        if streams.open.get(&self.life).is_some_and(|open| open.number == self.number) {
            streams.open.remove(&self.life);
        }
    }
}

/// Stop, with a session's end for the viewers.
pub(super) fn stop_order(end: &End, grace: Duration) -> Order {
    let grace_millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    let stop = Stop { reason: end.reason.to_string(), detail: end.detail.clone(), grace_millis };
    Order { order: Some(order::Order::Stop(stop)) }
}

#[cfg(test)]
mod tests {
    use podling_session::{id::Uid, phase::EndReason};

    use super::*;

    fn life() -> Incarnation {
        Incarnation { uid: Uid::new(), number: 1 }
    }

    #[tokio::test]
    async fn a_stop_reaches_the_stream_of_its_incarnation_only() {
        let orders = Arc::new(Orders::default());
        let (ours, end) = (life(), End::because(EndReason::Stopped));
        let mut listener = orders.listen(ours);
        assert!(!orders.stop(Incarnation { number: 2, ..ours }, &end, Duration::ZERO));
        assert!(orders.stop(ours, &end, Duration::from_secs(5)));
        assert_eq!(listener.recv().await, Some(stop_order(&end, Duration::from_secs(5))));
    }

    #[tokio::test]
    async fn a_newer_stream_ends_the_older_and_outlives_its_going() {
        let orders = Arc::new(Orders::default());
        let life = life();
        let mut older = orders.listen(life);
        let newer = orders.listen(life);
        assert_eq!(older.recv().await, None);
        drop(older);
        assert!(orders.connected(life));
        drop(newer);
        assert!(!orders.connected(life));
    }
}
