//! What viewers type, on its way to the program: bounded for each, and never in the way of anything else.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;
use tokio::sync::{Notify, watch};
use tracing::debug;

use crate::pty::Pty;

/// What one viewer may have typed that the program has not taken.
pub(crate) const MAX_UNTAKEN_BYTES: u64 = 256 << 10;
/// The terminal's own answers, which nobody counts: past this a program that reads none gets none.
const MAX_ANSWER_BYTES: u64 = 16 << 10;
/// A viewer is told of what was taken at the latest when it is this much.
const TELL_BYTES: u64 = 64 << 10;
/// When nothing is left to take, at the latest when it is this much: a key is not worth a message of its own.
const TELL_ALL_BYTES: u64 = 4 << 10;
/// What is offered to the program at a time: less than its terminal holds (4 KiB), so that an interrupt character never
/// comes behind a full one.
const OFFER_BYTES: usize = 2 << 10;

/// The viewer has typed more than its credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input beyond credit")]
pub(crate) struct BeyondCredit;

/// The viewers' end.
#[derive(Clone, Debug)]
pub(crate) struct Keyboard {
    queue: Arc<Queue>,
    /// Who the terminal itself is.
    answers: Arc<Hand>,
}

/// The program's end. It outlives programs: what was typed before the command began is for the command.
#[derive(Debug)]
pub(crate) struct Input {
    queue: Arc<Queue>,
}

/// One of those who type.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    /// Bytes that were typed, and those of them that the program has taken, or that were thrown away.
    typed: AtomicU64,
    taken: AtomicU64,
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// Something was typed, or thrown away.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    typed: VecDeque<Typed>,
    /// How often everything was thrown away.
    flushes: u64,
}

struct Typed {
    bytes: BytesMut,
    hand: Arc<Hand>,
}

pub(crate) fn channel() -> (Keyboard, Input) {
    let queue = Arc::new(Queue::default());
    (Keyboard { queue: Arc::clone(&queue), answers: Arc::default() }, Input { queue })
}

impl Keyboard {
    /// Queues what a viewer types, behind what is queued.
    ///
    /// # Errors
    /// When the program has too much to take from this viewer already. Nothing is queued.
    pub(crate) fn type_in(&self, hand: &Arc<Hand>, bytes: &[u8]) -> Result<(), BeyondCredit> {
        if hand.untaken() + bytes.len() as u64 > MAX_UNTAKEN_BYTES {
            return Err(BeyondCredit);
        }
        self.queue(hand, bytes);
        Ok(())
    }

    /// Throws away what is queued, as a terminal does with what comes before its interrupt character.
    pub(crate) fn flush(&self) {
        self.queue.flush();
    }

    /// What the terminal answers to the program.
    pub(crate) fn answer(&self, bytes: Vec<u8>) {
        if self.answers.untaken() + bytes.len() as u64 > MAX_ANSWER_BYTES {
            return debug!("the program reads no answers of its terminal");
        }
        self.queue(&self.answers, &bytes);
    }

    fn queue(&self, hand: &Arc<Hand>, bytes: &[u8]) {
        hand.typed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let mut state = self.queue.state();
        match state.typed.back_mut() {
            // Many small messages are one, so that what a viewer may queue bounds the memory of it.
            Some(last) if Arc::ptr_eq(&last.hand, hand) => last.bytes.extend_from_slice(bytes),
            _ => state.typed.push_back(Typed { bytes: bytes.into(), hand: Arc::clone(hand) }),
        }
        drop(state);
        self.queue.changed.notify_one();
    }
}

impl Hand {
    /// How much of what was typed is taken, as far as it is worth telling.
    pub(crate) fn taken(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// How much of what was typed is taken, exactly.
    pub(crate) fn taken_now(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// What was typed in vain counts as taken.
    pub(crate) fn give_up(&self, bytes: usize) {
        self.typed.fetch_add(bytes as u64, Ordering::Relaxed);
        self.take(bytes);
    }

    fn untaken(&self) -> u64 {
        self.typed.load(Ordering::Relaxed) - self.taken.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) {
        let taken = self.taken.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let untold = taken - *self.told.borrow();
        if untold >= TELL_BYTES || (untold >= TELL_ALL_BYTES && self.untaken() == 0) {
            self.told.send_replace(taken);
        }
    }
}

impl Input {
    /// Writes what is typed to the program, until the terminal is gone. Cancel safe.
    pub(crate) async fn feed(&mut self, pty: &Pty) {
        loop {
            let changed = self.queue.changed.notified();
            let Some((offer, flushes)) = self.queue.offer() else {
                changed.await;
                continue;
            };
            let written = tokio::select! {
                biased;
                written = pty.write(&offer) => written,
                () = changed => continue, // What is offered may have been thrown away.
            };
            match written {
                Ok(bytes) => self.queue.take(bytes, flushes),
                Err(error) => return debug!(%error, "input found no program"),
            }
        }
    }
}

impl Queue {
    /// The next bytes, and how often everything was thrown away before.
    fn offer(&self) -> Option<(BytesMut, u64)> {
        let state = self.state();
        let first = state.typed.front()?;
        Some((first.bytes[..first.bytes.len().min(OFFER_BYTES)].into(), state.flushes))
    }

    fn take(&self, bytes: usize, flushes: u64) {
        let mut state = self.state();
        if state.flushes != flushes {
            return; // They count as taken already.
        }
        let Some(first) = state.typed.front_mut() else { return };
        let _ = first.bytes.split_to(bytes);
        first.hand.take(bytes);
        if first.bytes.is_empty() {
            state.typed.pop_front();
        }
    }

    fn flush(&self) {
        let mut state = self.state();
        state.flushes += 1;
        for Typed { bytes, hand } in state.typed.drain(..) {
            hand.take(bytes.len());
        }
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Typed({} bytes)", self.bytes.len()) // People type passwords.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(queue: &Queue, bytes: usize) {
        for _ in 0..bytes {
            let (_, flushes) = queue.offer().expect("something is queued");
            queue.take(1, flushes);
        }
    }

    #[test]
    fn each_hand_has_a_credit_of_its_own_and_is_refused_beyond_it() {
        let (keyboard, _input) = channel();
        let (one, other) = (Arc::default(), Arc::default());
        let all = vec![b'x'; 256 << 10];
        assert_eq!(keyboard.type_in(&one, &all), Ok(()));
        assert_eq!(keyboard.type_in(&one, b"y"), Err(BeyondCredit));
        assert_eq!(keyboard.type_in(&other, b"z"), Ok(()));
        drained(&keyboard.queue, 1);
        assert_eq!(keyboard.type_in(&one, b"y"), Ok(()));
    }

    #[test]
    fn what_is_taken_is_told_every_64_kib_and_at_the_end_but_not_for_every_key() {
        let (keyboard, _input) = channel();
        let hand = Arc::default();
        let told = Hand::taken(&hand);
        keyboard.type_in(&hand, b"k").expect("credit");
        drained(&keyboard.queue, 1);
        assert_eq!((*told.borrow(), hand.taken_now()), (0, 1));
        keyboard.type_in(&hand, &[b'x'; 70_000]).expect("credit");
        drained(&keyboard.queue, 69_999);
        assert_eq!(*told.borrow(), TELL_BYTES);
        drained(&keyboard.queue, 1);
        assert_eq!(*told.borrow(), 70_001);
    }

    #[test]
    fn an_interrupt_throws_away_what_is_queued_and_counts_it_as_taken() {
        let (keyboard, _input) = channel();
        let (paster, other): (Arc<Hand>, Arc<Hand>) = Default::default();
        keyboard.type_in(&paster, &[b'x'; 200_000]).expect("credit");
        let (_, flushes) = keyboard.queue.offer().expect("something is queued");
        keyboard.flush();
        keyboard.type_in(&other, b"\x03").expect("credit");
        keyboard.queue.take(100, flushes); // Was on its way meanwhile.
        assert_eq!(*paster.taken().borrow(), 200_000);
        assert_eq!(keyboard.queue.offer().expect("the key").0, b"\x03"[..]);
    }

    #[test]
    fn a_program_that_reads_none_of_its_terminals_answers_does_not_fill_the_memory() {
        let (keyboard, _input) = channel();
        for _ in 0..100_000 {
            keyboard.answer(b"\x1b[1;1R".to_vec());
        }
        assert!(keyboard.answers.untaken() <= MAX_ANSWER_BYTES);
    }
}
