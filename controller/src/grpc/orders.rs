//! The control streams that are open at this controller, and how orders reach them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use podling_proto::control::{Order, Revoke, Stop, order};
use podling_session::{
    id::{Incarnation, RunnerId, Uid},
    phase::End,
    share::ShareId,
};
use tokio::sync::{mpsc, watch};

/// One assignment at most, and a stop: the second stop says nothing that the first did not.
const WAITING_ORDERS: usize = 4;

/// The open control stream of each runner that has one here.
#[derive(Default)]
pub struct Orders {
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    /// Of those that serve an incarnation.
    serving: HashMap<Incarnation, Open>,
    /// Of warm runners that serve nobody yet.
    waiting: HashMap<RunnerId, Open>,
    /// By number, so that a stream finds its place however that has changed.
    places: BTreeMap<u64, Place>,
    last_number: u64,
    /// The warm runners that this controller launched: those of another were started with its settings.
    own: HashSet<RunnerId>,
}

#[derive(Clone, Copy)]
enum Place {
    Serving(Incarnation),
    Waiting(RunnerId),
}

struct Open {
    /// Tells a stream from the one that took its place.
    number: u64,
    told: mpsc::Sender<Told>,
    /// All of the session's that are: the newest is all that matters.
    revoked: watch::Sender<Vec<ShareId>>,
}

/// What is said to a control stream from outside.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Assigned(Incarnation, Order),
    Stopped(Order),
    Revoked(Order),
}

impl Orders {
    /// Tells the runner of an incarnation to end. `false` when it has no stream here.
    pub fn stop(&self, life: Incarnation, end: &End, grace: Duration) -> bool {
        let streams = self.lock();
        let Some(open) = streams.serving.get(&life) else { return false };
        match open.told.try_send(Told::Stopped(stop_order(end, grace))) {
            // Full of stops that the runner has not taken yet.
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    /// Tells the session's runner which shares are revoked: all of them, each time.
    pub(crate) fn revoke(&self, uid: Uid, shares: Vec<ShareId>) {
        let streams = self.lock();
        let open = streams.serving.iter().filter(|(life, _)| life.uid == uid);
        open.for_each(|(_, open)| _ = open.revoked.send_replace(shares.clone()));
    }

    /// Whether a runner of the session is on the line right now.
    pub(super) fn serves(&self, uid: Uid) -> bool {
        self.lock().serving.keys().any(|life| life.uid == uid)
    }

    /// Whether the runner of an incarnation is on the line right now.
    pub fn connected(&self, life: Incarnation) -> bool {
        self.lock().serving.contains_key(&life)
    }

    /// The warm runners that are on the line, the one that came first before the others.
    pub fn waiting(&self) -> Vec<RunnerId> {
        let streams = self.lock();
        let waiting = |place: &Place| match place {
            Place::Waiting(runner) => Some(*runner),
            Place::Serving(_) => None,
        };
        streams.places.values().filter_map(waiting).collect()
    }

    /// A warm runner of this controller's own will come on the line.
    pub(crate) fn expect(&self, runner: RunnerId) {
        self.lock().own.insert(runner);
    }

    pub(crate) fn is_own(&self, runner: RunnerId) -> bool {
        self.lock().own.contains(&runner)
    }

    /// Of its own warm runners these are left.
    pub(crate) fn keep_own(&self, left: &HashSet<RunnerId>) {
        self.lock().own.retain(|runner| left.contains(runner));
    }

    /// Hands a runner that was claimed its assignment. A runner that is not on the line gets it when it connects again.
    pub(crate) fn assign(&self, runner: RunnerId, life: Incarnation, assignment: Order) {
        let mut streams = self.lock();
        let Some(open) = streams.waiting.remove(&runner) else { return };
        streams.places.insert(open.number, Place::Serving(life));
        // Nothing was said to it before. Closed: it is on its way out of here.
        let _ = open.told.try_send(Told::Assigned(life, assignment));
        streams.serving.insert(life, open);
    }

    /// Opens the stream of an incarnation. One that was open ends: its runner connected again.
    pub(super) fn listen(self: &Arc<Self>, life: Incarnation) -> Listener {
        self.open(|streams, open| streams.serving.insert(life, open), Place::Serving(life))
    }

    /// Opens the stream of a warm runner that serves nobody yet.
    pub(super) fn wait(self: &Arc<Self>, runner: RunnerId) -> Listener {
        self.open(|streams, open| streams.waiting.insert(runner, open), Place::Waiting(runner))
    }

    fn open(self: &Arc<Self>, insert: impl FnOnce(&mut Streams, Open) -> Option<Open>, place: Place) -> Listener {
        let (sender, told) = mpsc::channel(WAITING_ORDERS);
        let (revoked, shares) = watch::channel(Vec::new());
        let mut streams = self.lock();
        streams.last_number += 1;
        let number = streams.last_number;
        if let Some(older) = insert(&mut streams, Open { number, told: sender, revoked }) {
            streams.places.remove(&older.number);
        }
        streams.places.insert(number, place);
        Listener { registry: self.clone(), number, told, shares }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().expect("no holder of this lock panics")
    }
}

/// One control stream's end of the registry; leaves it when dropped.
pub(super) struct Listener {
    registry: Arc<Orders>,
    number: u64,
    told: mpsc::Receiver<Told>,
    shares: watch::Receiver<Vec<ShareId>>,
}

impl Listener {
    /// What is said next; none when another stream took this one's place. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<Told> {
        tokio::select! {
            biased;
            told = self.told.recv() => told,
            Ok(()) = self.shares.changed() => {
                let shares = self.shares.borrow_and_update().iter().map(ShareId::to_string).collect();
                Some(Told::Revoked(Order { order: Some(order::Order::Revoke(Revoke { shares })) }))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut streams = self.registry.lock();
        match streams.places.remove(&self.number) {
            Some(Place::Serving(life)) => _ = streams.serving.remove(&life),
            Some(Place::Waiting(runner)) => _ = streams.waiting.remove(&runner),
            None => {} // Another stream took its place.
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
    use podling_session::phase::EndReason;

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
        assert_eq!(listener.recv().await, Some(Told::Stopped(stop_order(&end, Duration::from_secs(5)))));
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

    #[tokio::test]
    async fn a_warm_runner_is_assigned_once_and_serves_from_then_on() {
        let orders = Arc::new(Orders::default());
        let runner = |byte| RunnerId::from_mac([byte; 16]);
        let (mut first, _second) = (orders.wait(runner(9)), orders.wait(runner(1)));
        assert_eq!(orders.waiting(), [runner(9), runner(1)], "first come");
        let (ours, assignment, end) = (life(), Order::default(), End::because(EndReason::Stopped));
        orders.assign(runner(9), ours, assignment.clone());
        orders.assign(runner(9), life(), assignment.clone());
        assert_eq!(orders.waiting(), [runner(1)]);
        assert!(orders.connected(ours) && orders.stop(ours, &end, Duration::ZERO));
        assert_eq!(first.recv().await, Some(Told::Assigned(ours, assignment)));
        assert_eq!(first.recv().await, Some(Told::Stopped(stop_order(&end, Duration::ZERO))));
        drop(first);
        assert!(!orders.connected(ours));
    }
}
