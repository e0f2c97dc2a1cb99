//! Answers to a viewer's pings, on their way from the direction that reads to the one that writes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// Of more pings that wait, only the last are answered, as RFC 6455, 5.5.3 allows.
const MAX_WAITING: usize = 16;

#[derive(Default)]
pub(crate) struct Pongs {
    waiting: Mutex<VecDeque<Bytes>>,
    some: Notify,
}

impl Pongs {
    pub(crate) fn owe(&self, payload: Bytes) {
        let mut waiting = self.lock();
        if waiting.len() == MAX_WAITING {
            waiting.pop_front();
        }
        waiting.push_back(payload);
        drop(waiting);
        self.some.notify_one();
    }

    /// Returns when there are some. Cancel-safe.
    pub(crate) async fn some(&self) {
        self.some.notified().await;
    }

    pub(crate) fn take(&self) -> VecDeque<Bytes> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Bytes>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_pings_is_answered_by_its_last() {
        let pongs = Pongs::default();
        (0..100u8).for_each(|ping| pongs.owe(Bytes::copy_from_slice(&[ping])));
        assert_eq!(pongs.take().iter().map(|ping| ping[0]).collect::<Vec<_>>(), (84..100).collect::<Vec<_>>());
        assert!(pongs.take().is_empty());
    }
}
