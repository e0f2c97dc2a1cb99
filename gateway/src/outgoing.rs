//! What goes to a viewer's socket: whole frames (RFC 6455, 5.2) that wait for the next write, header and payload each
//! where they are. Nothing is copied, several frames go with one system call, and control frames stand between
//! messages by their place in the queue.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{io::AsyncWriteExt, net::tcp::OwnedWriteHalf, time::timeout};

/// Past it, what is ready waits for the next write.
const BATCH_BYTES: usize = 256 * 1024;
/// A write takes at most this many parts; a frame has two.
const PARTS: usize = 32;
/// Headers are made in pieces of memory of this size.
const HEADS_BYTES: usize = 512;
/// A control frame holds 125 bytes (RFC 6455, 5.5).
pub(crate) const MAX_CONTROL_BYTES: usize = 125;

mod opcode {
    pub(super) const BINARY: u8 = 0x2;
    pub(super) const CLOSE: u8 = 0x8;
    pub(super) const PING: u8 = 0x9;
    pub(super) const PONG: u8 = 0xa;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The connection is broken.
    Gone,
    /// The socket took nothing for too long.
    TooSlow,
}

pub(crate) struct Outgoing {
    io: OwnedWriteHalf,
    patience: Duration,
    queue: Queue,
}

impl Outgoing {
    /// A socket that takes nothing for `patience` is too slow.
    pub(crate) fn new(io: OwnedWriteHalf, patience: Duration) -> Outgoing {
        Outgoing { io, patience, queue: Queue::default() }
    }

    /// A binary message of two parts.
    pub(crate) fn binary(&mut self, head: &[u8], payload: Bytes) {
        self.queue.frame(opcode::BINARY, head, payload);
    }

    pub(crate) fn ping(&mut self) {
        self.queue.frame(opcode::PING, &[], Bytes::new());
    }

    pub(crate) fn pong(&mut self, payload: Bytes) {
        self.queue.frame(opcode::PONG, &[], payload);
    }

    /// The last frame. `None` closes without a code.
    pub(crate) fn close(&mut self, why: Option<(u16, &str)>) {
        let mut payload = BytesMut::new();
        if let Some((code, reason)) = why {
            payload.put_u16(code);
            payload.put_slice(&reason.as_bytes()[..reason.floor_char_boundary(MAX_CONTROL_BYTES - 2)]);
        }
        self.queue.frame(opcode::CLOSE, &[], payload.freeze());
    }

    /// Everything before this place is output below the offset.
    pub(crate) fn mark(&mut self, offset: u64) {
        self.queue.marks.push_back((self.queue.put, offset));
    }

    /// Whether more may go with the next write.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.put - self.queue.written < BATCH_BYTES as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.parts.is_empty()
    }

    /// Writes some of what waits; the offset of the last mark that was passed. Cancel-safe: nothing is written twice.
    pub(crate) async fn write(&mut self) -> Result<Option<u64>, Stuck> {
        loop {
            let mut slices = [IoSlice::new(&[]); PARTS];
            let count = self.queue.slices(&mut slices);
            if count == 0 {
                return Ok(None);
            }
            match self.io.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(Stuck::Gone),
                Ok(written) => return Ok(self.queue.advance(written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = timeout(self.patience, self.io.writable()).await.map_err(|_| Stuck::TooSlow)?;
                    ready.map_err(|_| Stuck::Gone)?;
                }
                Err(_) => return Err(Stuck::Gone),
            }
        }
    }

    /// Writes all that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Stuck> {
        while !self.is_empty() {
            self.write().await?;
        }
        Ok(())
    }

    /// Tells the viewer's system that nothing follows.
    pub(crate) async fn end(mut self) {
        let _ = self.io.shutdown().await; // A connection that broke has ended as well.
    }
}

/// Frames as parts, in order.
#[derive(Default)]
struct Queue {
    parts: VecDeque<Bytes>,
    heads: BytesMut,
    /// Places in the stream, in bytes since its beginning, and the offsets of output that they stand for.
    marks: VecDeque<(u64, u64)>,
    put: u64,
    written: u64,
}

impl Queue {
    fn frame(&mut self, opcode: u8, head: &[u8], payload: Bytes) {
        const FIN: u8 = 0x80;
        if self.heads.capacity() - self.heads.len() < 10 + head.len() {
            self.heads = BytesMut::with_capacity(HEADS_BYTES.max(10 + head.len()));
        }
        let heads = &mut self.heads;
        heads.put_u8(FIN | opcode);
        let length = head.len() + payload.len();
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..126), _) => heads.put_u8(short),
            (_, Ok(length)) => {
                heads.put_u8(126);
                heads.put_u16(length);
            }
            _ => {
                heads.put_u8(127);
                heads.put_u64(length as u64);
            }
        }
        heads.put_slice(head);
        let head = heads.split().freeze();
        for part in [head, payload] {
            self.put += part.len() as u64;
            if !part.is_empty() {
                self.parts.push_back(part);
            }
        }
    }

    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; PARTS]) -> usize {
        let parts = self.parts.iter().zip(slices.iter_mut());
        parts.map(|(part, slice)| *slice = IoSlice::new(part)).count()
    }

    fn advance(&mut self, mut count: usize) -> Option<u64> {
        self.written += count as u64;
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                part.advance(count);
                break;
            }
            count -= part.len();
            self.parts.pop_front();
        }
        if self.parts.is_empty() {
            // An idle viewer keeps no memory.
            (self.parts, self.heads) = (VecDeque::new(), BytesMut::new());
        }
        let mut passed = None;
        while let Some((place, offset)) = self.marks.front().copied()
            && place <= self.written
        {
            passed = Some(offset);
            self.marks.pop_front();
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(queue: &Queue) -> Vec<u8> {
        queue.parts.iter().flat_map(|part| part.to_vec()).collect()
    }

    #[test]
    fn a_frame_has_the_shortest_length_of_three() {
        let check = |length: usize, head: &[u8]| {
            let mut queue = Queue::default();
            queue.frame(opcode::BINARY, b"head", vec![7; length - 4].into());
            let bytes = bytes(&queue);
            assert_eq!(&bytes[..head.len()], head, "{length}");
            assert_eq!(&bytes[head.len()..head.len() + 5], b"head\x07", "{length}");
            assert_eq!((bytes.len(), queue.put), (head.len() + length, bytes.len() as u64));
        };
        check(5, &[0x82, 5]);
        check(125, &[0x82, 125]);
        check(126, &[0x82, 126, 0, 126]);
        check(65_535, &[0x82, 126, 0xff, 0xff]);
        check(65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn what_was_written_is_gone_and_marks_are_passed_in_order() {
        let mut queue = Queue::default();
        for (offset, text) in [(3, "abc"), (5, "de")] {
            queue.frame(opcode::BINARY, &[], Bytes::from_static(text.as_bytes()));
            queue.marks.push_back((queue.put, offset));
        }
        queue.frame(opcode::PING, &[], Bytes::new());
        assert_eq!(bytes(&queue), b"\x82\x03abc\x82\x02de\x89\x00");
        assert_eq!(queue.advance(4), None);
        assert_eq!((queue.advance(1), bytes(&queue)), (Some(3), b"\x82\x02de\x89\x00".to_vec()));
        assert_eq!(queue.advance(5), Some(5));
        assert_eq!((queue.advance(1), queue.parts.len(), queue.written), (None, 0, queue.put));
    }
}
