//! What the controller wants of this runner: to serve a session once, to stop once; and the clock that it counts in.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use podling_proto::control::Assign;
use podling_session::phase::{End, EndReason, sentence};
use tokio::sync::watch;

/// To end, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) end: End,
    /// How long the command has between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// Why the runner does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Stop(Stop),
    /// There is no controller any more: nobody will ask for this session.
    Abandon,
}

/// The orders so far. Of each kind the first is kept and the same again ignored.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    assign: watch::Sender<Option<Assign>>,
    order: watch::Sender<Option<Order>>,
    pub(crate) clock: Clock,
}

impl Orders {
    pub(crate) fn assign(&self, assign: Assign) {
        self.assign.send_if_modified(|known| match known {
            Some(_) => false,
            None => {
                *known = Some(assign);
                true
            }
        });
    }

    pub(crate) fn order(&self, order: Order) {
        self.order.send_if_modified(|known| match known {
            Some(_) => false,
            None => {
                *known = Some(order);
                true
            }
        });
    }

    /// Returns what to serve. Cancel safe.
    pub(crate) async fn assigned(&self) -> Assign {
        first(&self.assign).await
    }

    pub(crate) fn is_assigned(&self) -> bool {
        self.assign.borrow().is_some()
    }

    /// Whether the runner must end.
    pub(crate) fn order_now(&self) -> Option<Order> {
        self.order.borrow().clone()
    }

    /// Returns when the runner must end. Cancel safe.
    pub(crate) async fn ordered(&self) -> Order {
        first(&self.order).await
    }
}

async fn first<T: Clone>(sender: &watch::Sender<Option<T>>) -> T {
    let mut receiver = sender.subscribe();
    let known = receiver.wait_for(Option::is_some).await.expect("the sender is borrowed for as long as we wait");
    known.clone().expect("it was waited for")
}

impl Stop {
    /// As the controller said it; a reason that this build does not know is a fault of ours, told in its words.
    pub(crate) fn parse(raw: podling_proto::control::Stop) -> Stop {
        let reason = raw.reason.parse().unwrap_or(EndReason::Internal);
        let detail = if raw.detail.is_empty() { sentence(reason, None) } else { raw.detail };
        Stop { end: End { reason, exit_code: None, detail }, grace: Duration::from_millis(raw.grace_millis) }
    }
}

/// The controller's clock, as last heard.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<(Timestamp, Instant)>>);

impl Clock {
    pub(crate) fn set(&self, now_micros: i64) {
        if let Ok(now) = Timestamp::from_microsecond(now_micros) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
        }
    }

    /// None before the controller told it.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let (told, at) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let passed = SignedDuration::try_from(at.elapsed()).ok()?;
        told.checked_add(passed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_order_stands() {
        let orders = Orders::default();
        let stop = Stop { end: End::because(EndReason::Idle), grace: Duration::ZERO };
        orders.order(Order::Stop(stop.clone()));
        orders.order(Order::Abandon);
        assert_eq!(orders.ordered().await, Order::Stop(stop));
        orders.assign(Assign { incarnation: 1, ..Assign::default() });
        orders.assign(Assign { incarnation: 2, ..Assign::default() });
        assert_eq!(orders.assigned().await.incarnation, 1);
    }

    #[test]
    fn the_clock_runs_on_from_what_was_told() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        clock.set(5_000_000);
        let now = clock.now().expect("told");
        assert!((5_000..5_900).contains(&now.as_millisecond()), "{now}");
    }

    #[test]
    fn a_stop_without_words_gets_those_of_its_reason() {
        let raw = podling_proto::control::Stop { reason: "idle".into(), grace_millis: 5, ..Default::default() };
        let stop = Stop::parse(raw);
        assert_eq!((stop.end, stop.grace), (End::because(EndReason::Idle), Duration::from_millis(5)));
    }
}
