//! What a viewer sends, on its way to whichever stream is open: it outlives each of them.
//!
//! Input waits here while a session starts or moves, and while its program takes none: at most its credit, 256 KiB that
//! the program has not taken. Everything else stands beside it and goes first, so that acks, window sizes and fetches
//! never wait behind a paste; of acks, sizes and the like the last one is all that matters. A stream takes what waits
//! once it is opened: an attempt that fails takes nothing with it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use podling_proto::terminal::{AttachRequest, Focus, LeaseWish, Open, Range, WindowSize, attach_request::Message};
use podling_session::frame::INPUT_WINDOW_BYTES;
use tokio::sync::Notify;

/// The most input in one message.
const INPUT_CHUNK_BYTES: usize = 4 * 1024;
/// A page asks for the next range when it has the one before, in as many gaps as somebody opens at once.
const MAX_FETCHES: usize = 16;

/// A person presses a button.
const MAX_WISHES: usize = 16;

/// The viewer sent more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

/// The viewer's end. Only [`Post::input`] ever waits.
#[derive(Clone)]
pub(crate) struct Post(Arc<Shared>);

/// The session's end.
pub(crate) struct Inbox(Arc<Shared>);

/// To be told that the stream is open, whereupon it takes what the viewer sends; dropped, it never does.
pub(crate) struct Opening {
    shared: Arc<Shared>,
    stream: u64,
}

#[derive(Default)]
struct Shared {
    letters: Mutex<Letters>,
    /// Told when there is room for input.
    room: Notify,
}

#[derive(Default)]
struct Letters {
    input: BytesMut,
    ack: Option<u64>,
    acked: u64,
    resume_ack: Option<u32>,
    /// The newest generation of resume tokens that the viewer is known to hold.
    held: u32,
    resize: Option<WindowSize>,
    focus: bool,
    fetches: VecDeque<Range>,
    wishes: VecDeque<LeaseWish>,
    credit: Credit,
    /// Which stream may take letters: the last one, or a dying stream would take what the next one should send.
    stream: u64,
    opened: bool,
    reader: Option<Waker>,
}

/// Bytes of input since the viewer came.
#[derive(Default)]
struct Credit {
    sent: u64,
    /// Given to a stream.
    forwarded: u64,
    /// Given to the streams before this one: nobody will tell any more what became of it.
    before: u64,
    /// Taken by the program, or lost with a stream.
    taken: u64,
}

pub(crate) fn inbox() -> (Post, Inbox) {
    let shared = Arc::<Shared>::default();
    (Post(Arc::clone(&shared)), Inbox(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the letters and tells the stream.
    fn put<T>(&self, change: impl FnOnce(&mut Letters) -> T) -> T {
        let mut letters = self.lock();
        let outcome = change(&mut letters);
        let reader = letters.reader.take();
        drop(letters);
        if let Some(reader) = reader {
            reader.wake();
        }
        outcome
    }
}

impl Post {
    /// Waits until the program has taken enough of what came before. For viewers that know of no credit.
    pub(crate) async fn input(&self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let sent = self.0.put(|letters| {
                let sent = bytes.split_to(bytes.len().min(letters.credit.room()));
                letters.input(&sent);
                sent.len()
            });
            if sent == 0 {
                self.0.room.notified().await;
            }
        }
    }

    /// # Errors
    /// When the viewer has sent more than its credit.
    pub(crate) fn input_within_credit(&self, bytes: &Bytes) -> Result<(), Overrun> {
        self.0.put(|letters| {
            if bytes.len() > letters.credit.room() {
                return Err(Overrun);
            }
            letters.input(bytes);
            Ok(())
        })
    }

    /// The viewer holds the resume token of this generation.
    pub(crate) fn resume_ack(&self, generation: u32) {
        self.0.put(|letters| {
            letters.held = letters.held.max(generation);
            letters.resume_ack = Some(generation);
        });
    }

    /// Everything below the offset was taken.
    pub(crate) fn ack(&self, offset: u64) {
        self.0.put(|letters| {
            if offset > letters.acked {
                letters.acked = offset;
                letters.ack = Some(offset);
            }
        });
    }

    pub(crate) fn resize(&self, size: WindowSize) {
        self.0.put(|letters| letters.resize = Some(size));
    }

    pub(crate) fn focus(&self) {
        self.0.put(|letters| letters.focus = true);
    }

    /// # Errors
    /// When too many wait for a stream.
    pub(crate) fn fetch(&self, from: u64, to: u64) -> Result<(), Overrun> {
        self.0.put(|letters| {
            if letters.fetches.len() >= MAX_FETCHES {
                return Err(Overrun);
            }
            letters.fetches.push_back(Range { from, to });
            Ok(())
        })
    }
}

impl Post {
    /// # Errors
    /// When too many wait for a stream.
    pub(crate) fn lease(&self, wish: LeaseWish) -> Result<(), Overrun> {
        self.0.put(|letters| {
            if letters.wishes.len() >= MAX_WISHES {
                return Err(Overrun);
            }
            letters.wishes.push_back(wish);
            Ok(())
        })
    }
}

impl Inbox {
    /// The newest generation of resume tokens that the viewer is known to hold.
    pub(crate) fn held(&self) -> u32 {
        self.0.lock().held
    }

    /// The requests of a new stream. The one before takes nothing more from now on.
    pub(crate) fn requests(&self, open: Open) -> (impl Stream<Item = AttachRequest> + Send + use<>, Opening) {
        let stream = self.0.put(|letters| {
            letters.opened = false;
            letters.stream += 1;
            letters.stream
        });
        let open = stream::once(std::future::ready(Message::Open(open)));
        let taken = Taken { shared: Arc::clone(&self.0), stream };
        let requests = open.chain(taken).map(|message| AttachRequest { message: Some(message) });
        (requests, Opening { shared: Arc::clone(&self.0), stream })
    }

    /// The open stream's program has taken so much of the stream's input: how much that is of all the viewer's.
    pub(crate) fn taken(&self, total: u64) -> u64 {
        let mut letters = self.0.lock();
        let Credit { before, forwarded, taken, .. } = letters.credit;
        letters.credit.taken = taken.max(before.saturating_add(total).min(forwarded));
        let taken = letters.credit.taken;
        drop(letters);
        self.0.room.notify_one();
        taken
    }
}

impl Drop for Inbox {
    /// Ends the open stream: a call whose requests go on is not over for the one who answers it.
    fn drop(&mut self) {
        self.0.put(|letters| letters.stream += 1);
    }
}

impl Opening {
    /// How much of the viewer's input was given to streams before: it counts as taken.
    pub(crate) fn opened(self) -> u64 {
        let before = self.shared.put(|letters| {
            letters.opened = letters.stream == self.stream;
            letters.credit.before = letters.credit.forwarded;
            letters.credit.taken = letters.credit.forwarded;
            letters.credit.before
        });
        self.shared.room.notify_one();
        before
    }
}

impl Letters {
    fn input(&mut self, bytes: &[u8]) {
        self.credit.sent += bytes.len() as u64;
        self.input.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Message> {
        if let Some(offset) = self.ack.take() {
            return Some(Message::Ack(offset));
        }
        if let Some(generation) = self.resume_ack.take() {
            return Some(Message::ResumeAck(generation));
        }
        if let Some(size) = self.resize.take() {
            return Some(Message::Resize(size));
        }
        if std::mem::take(&mut self.focus) {
            return Some(Message::Focus(Focus {}));
        }
        if let Some(wish) = self.wishes.pop_front() {
            return Some(Message::Lease(wish));
        }
        if let Some(range) = self.fetches.pop_front() {
            return Some(Message::Fetch(range));
        }
        if self.input.is_empty() {
            return None;
        }
        let chunk = self.input.split_to(self.input.len().min(INPUT_CHUNK_BYTES)).freeze();
        if self.input.is_empty() {
            self.input = BytesMut::new(); // An idle viewer keeps no memory.
        }
        self.credit.forwarded += chunk.len() as u64;
        Some(Message::Input(chunk))
    }
}

impl Credit {
    fn room(&self) -> usize {
        let untaken = self.sent.saturating_sub(self.taken);
        usize::try_from(INPUT_WINDOW_BYTES.saturating_sub(untaken)).unwrap_or(usize::MAX)
    }
}

/// What one stream takes.
struct Taken {
    shared: Arc<Shared>,
    stream: u64,
}

impl Stream for Taken {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut letters = self.shared.lock();
        if letters.stream != self.stream {
            return Poll::Ready(None);
        }
        if letters.opened
            && let Some(message) = letters.next()
        {
            return Poll::Ready(Some(message));
        }
        letters.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
