//! What viewers type, on its way to the program: bounded, and never in the way of the output.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tracing::debug;

use crate::pty::Pty;

/// Typed bytes that the program has not taken yet.
const MAX_QUEUED_BYTES: usize = 256 << 10;
/// The same, counted in messages, since each costs memory of its own.
const MAX_QUEUED: usize = 4096;
/// A program that takes nothing for this long, with the queue full, does not read: what comes then is dropped, as a
/// terminal does with keys that nobody reads, so that the viewer's acks are heard.
const PATIENCE: Duration = Duration::from_secs(2);

struct Typed {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The viewers' end.
#[derive(Clone, Debug)]
pub(crate) struct Keyboard {
    queue: mpsc::Sender<Typed>,
    room: Arc<Semaphore>,
}

/// The program's end. It outlives programs: what was typed before the command began is for the command.
#[derive(Debug)]
pub(crate) struct Input {
    queue: mpsc::Receiver<Typed>,
}

pub(crate) fn channel() -> (Keyboard, Input) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (Keyboard { queue: sender, room: Arc::new(Semaphore::new(MAX_QUEUED_BYTES)) }, Input { queue: receiver })
}

impl Keyboard {
    /// Queues input, and waits for room while the program takes some.
    pub(crate) async fn type_in(&self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(MAX_QUEUED_BYTES / 4));
            if timeout(PATIENCE, self.queue(chunk)).await.is_err() {
                debug!("input was dropped: the program reads none");
                return;
            }
        }
    }

    async fn queue(&self, bytes: Bytes) {
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(wanted).await else { return };
        let _ = self.queue.send(Typed { bytes, _room: room }).await; // Nobody reads after the last program's end.
    }
}

impl Input {
    /// Writes what is typed to the program, until the terminal is gone. Cancel safe, but for a chunk half written.
    pub(crate) async fn feed(&mut self, pty: &Pty) {
        while let Some(Typed { bytes, _room }) = self.queue.recv().await {
            if let Err(error) = pty.write_all(&bytes).await {
                debug!(%error, "input found no program");
                return;
            }
        }
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Typed({} bytes)", self.bytes.len()) // People type passwords.
    }
}
