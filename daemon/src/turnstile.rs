//! Load is shed here: so many go through at once, so many more wait a little, and the rest are sent away at once, before
//! what they hold costs memory.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub struct Turnstile {
    inside: Arc<Semaphore>,
    queue: Semaphore,
    patience: Duration,
}

/// Somebody inside, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    _permit: OwnedSemaphorePermit,
}

impl Turnstile {
    /// At most `inside` at once, and at most `queue` who wait for up to `patience`.
    pub fn new(inside: usize, queue: usize, patience: Duration) -> Turnstile {
        Turnstile { inside: Arc::new(Semaphore::new(inside)), queue: Semaphore::new(queue), patience }
    }

    /// `None` when there is no room, now or soon. Cancel-safe.
    pub async fn enter(&self) -> Option<Pass> {
        if let Ok(permit) = Arc::clone(&self.inside).try_acquire_owned() {
            return Some(Pass { _permit: permit });
        }
        let _place = self.queue.try_acquire().ok()?;
        let waiting = timeout(self.patience, Arc::clone(&self.inside).acquire_owned()).await;
        let permit = waiting.ok()?.expect("the semaphore is never closed");
        Some(Pass { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_shortly_and_who_finds_no_place_to_wait_does_not() {
        let turnstile = Turnstile::new(2, 1, PATIENCE);
        let (first, _second) = (turnstile.enter().await.expect("room"), turnstile.enter().await.expect("room"));
        let began = Instant::now();
        let late = async { (turnstile.enter().await.is_none(), began.elapsed()) };
        let ((_, waited), (refused, at_once)) =
            tokio::join!(async { (turnstile.enter().await, began.elapsed()) }, late);
        assert!(refused && at_once.is_zero(), "the queue is full");
        assert_eq!(waited, PATIENCE);
        let leave = async { drop(first) };
        let (entered, ()) = tokio::join!(turnstile.enter(), leave);
        assert!(entered.is_some() && began.elapsed() == PATIENCE, "room came while it waited");
    }
}
