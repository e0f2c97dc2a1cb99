//! What a viewer sends, on its way to whichever stream is open: it outlives each of them.
//!
//! Input waits in a bounded queue, which holds what is typed while a session starts or moves. Acks keep only the
//! latest, beside the queue, so that output never waits behind a paste. A stream takes from the queue once it is opened:
//! an attempt that fails takes nothing with it.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use podling_proto::terminal::{AttachRequest, Open, attach_request::Message};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::WatchStream;

/// With [`INPUT_CHUNK_BYTES`] 256 KiB: past it the viewer's socket is not read.
const QUEUE: usize = 64;
const INPUT_CHUNK_BYTES: usize = 4 * 1024;

/// The viewer's end.
#[derive(Clone)]
pub(crate) struct Post {
    queue: mpsc::Sender<Message>,
    acks: watch::Sender<u64>,
    held: Arc<AtomicU32>,
}

impl Post {
    /// Waits for room in the queue. What nobody will read any more is dropped.
    pub(crate) async fn send(&self, message: Message) {
        let _ = self.queue.send(message).await; // The attach is over, and so are its messages.
    }

    /// Waits for room in the queue.
    pub(crate) async fn input(&self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(INPUT_CHUNK_BYTES));
            self.send(Message::Input(chunk)).await;
        }
    }

    /// The viewer holds the resume token of this generation. Waits for room in the queue.
    pub(crate) async fn resume_ack(&self, generation: u32) {
        self.held.fetch_max(generation, Ordering::AcqRel);
        self.send(Message::ResumeAck(generation)).await;
    }

    /// Everything below the offset was taken. Never waits.
    pub(crate) fn ack(&self, offset: u64) {
        self.acks.send_if_modified(|known| {
            let newer = offset > *known;
            *known = offset.max(*known);
            newer
        });
    }
}

/// The session's end.
pub(crate) struct Inbox {
    queue: Arc<Queue>,
    acks: watch::Receiver<u64>,
    held: Arc<AtomicU32>,
}

/// To be told that the stream is open, whereupon it takes what the viewer sends; dropped, it never does.
pub(crate) struct Opening(oneshot::Sender<()>);

struct Queue {
    messages: Mutex<mpsc::Receiver<Message>>,
    /// Which stream may take messages: the last one, or a dying stream would take what the next one should send.
    stream: AtomicU64,
}

pub(crate) fn inbox() -> (Post, Inbox) {
    let (sender, messages) = mpsc::channel(QUEUE);
    let (acks, acked) = watch::channel(0);
    let queue = Arc::new(Queue { messages: Mutex::new(messages), stream: AtomicU64::new(0) });
    let held = Arc::new(AtomicU32::new(0));
    (Post { queue: sender, acks, held: Arc::clone(&held) }, Inbox { queue, acks: acked, held })
}

impl Opening {
    pub(crate) fn opened(self) {
        let _ = self.0.send(()); // A stream that has ended since takes nothing.
    }
}

impl Inbox {
    /// The newest generation of resume tokens that the viewer is known to hold.
    pub(crate) fn held(&self) -> u32 {
        self.held.load(Ordering::Acquire)
    }

    /// The requests of a new stream. The one before takes no more messages from now on.
    pub(crate) fn requests(&self, open: Open) -> (impl Stream<Item = AttachRequest> + Send + use<>, Opening) {
        let number = self.queue.stream.fetch_add(1, Ordering::AcqRel) + 1;
        let (opening, opened) = oneshot::channel();
        let messages = Messages { queue: Arc::clone(&self.queue), number };
        let messages = stream::once(opened).flat_map(stream::iter).flat_map(move |()| messages.clone());
        let acks = WatchStream::from_changes(self.acks.clone()).map(Message::Ack);
        let open = stream::once(std::future::ready(Message::Open(open)));
        let requests =
            open.chain(stream::select(acks, messages)).map(|message| AttachRequest { message: Some(message) });
        (requests, Opening(opening))
    }
}

#[derive(Clone)]
struct Messages {
    queue: Arc<Queue>,
    number: u64,
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut messages = self.queue.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if self.queue.stream.load(Ordering::Acquire) != self.number {
            return Poll::Ready(None);
        }
        messages.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn now(stream: &mut (impl Stream<Item = AttachRequest> + Unpin)) -> Option<Message> {
        stream.next().now_or_never().flatten().and_then(|request| request.message)
    }

    #[tokio::test]
    async fn a_new_stream_takes_over_what_is_typed_and_acks_never_wait() {
        let (post, inbox) = inbox();
        let opened = || {
            let (requests, opening) = inbox.requests(Open::default());
            opening.opened();
            Box::pin(requests)
        };
        let mut first = opened();
        assert!(matches!(now(&mut first), Some(Message::Open(_))));
        post.input(Bytes::from_static(b"a")).await;
        assert_eq!(now(&mut first), Some(Message::Input(Bytes::from_static(b"a"))));
        let mut second = opened();
        post.input(vec![b'x'; INPUT_CHUNK_BYTES * QUEUE].into()).await;
        post.ack(7);
        post.ack(5);
        assert!(!matches!(now(&mut first), Some(Message::Input(_))), "the first stream is over");
        assert!(matches!(now(&mut second), Some(Message::Open(_))));
        assert_eq!(now(&mut second), Some(Message::Ack(7)));
        assert!(matches!(now(&mut second), Some(Message::Input(chunk)) if chunk.len() == INPUT_CHUNK_BYTES));
    }

    #[tokio::test]
    async fn a_stream_that_is_not_opened_takes_nothing() {
        let (post, inbox) = inbox();
        post.input(Bytes::from_static(b"typed early")).await;
        for _ in 0..3 {
            let (failed, opening) = inbox.requests(Open::default());
            let mut failed = Box::pin(failed);
            assert!(matches!(now(&mut failed), Some(Message::Open(_))));
            assert_eq!(now(&mut failed), None);
            drop(opening);
            assert_eq!(now(&mut failed), None);
        }
        let (requests, opening) = inbox.requests(Open::default());
        let mut requests = Box::pin(requests);
        assert!(matches!(now(&mut requests), Some(Message::Open(_))));
        opening.opened();
        assert_eq!(now(&mut requests), Some(Message::Input(Bytes::from_static(b"typed early"))));
    }
}
