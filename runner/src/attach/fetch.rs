//! Output that a viewer skipped and asks for: sent in small pieces between the live ones, and slower than it could take
//! them, because what is on the way stands in the way of the live ones.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use podling_proto::terminal::Fetched;
use podling_session::log::Body;
use tokio::time::Instant;

use crate::terminal::{Cursor, Log, ReadError};

/// The most that answers one question.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// The most of it in one message.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes a second that any viewer is thought to take: what was measured while it was busy may be little, and is not
/// measured anew while nothing else is sent.
const MIN_RATE: f64 = 1e6;

#[derive(Debug)]
pub(super) struct Fetch {
    cursor: Cursor,
    /// The next byte to send, and the one after the last.
    next: u64,
    to: u64,
    pieces: VecDeque<(u64, Bytes)>,
    due: Instant,
}

impl Fetch {
    /// What is kept of the range.
    pub(super) fn new(log: &Log, from: u64, to: u64, now: Instant) -> Fetch {
        let kept = log.range();
        let next = from.clamp(kept.first, kept.end);
        let to = to.min(kept.end).min(next.saturating_add(MAX_ANSWER_BYTES)).max(next);
        let cursor = log.seek(Some(next)).map_or_else(|_| Cursor::at(u64::MAX), |start| start.cursor);
        Fetch { cursor, next, to, pieces: VecDeque::new(), due: now }
    }

    /// When the next piece may be sent.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The next piece, which is the last when it is empty, for a viewer that takes so many bytes a second.
    pub(super) async fn piece(&mut self, log: &Log, rate: Option<f64>, now: Instant) -> Result<Fetched, ReadError> {
        let head = *log.head().borrow();
        while self.pieces.is_empty() && self.next < self.to && self.cursor.is_behind(head) {
            match self.read(log).await {
                Err(ReadError::FellOff(_)) => self.next = self.to,
                read => read?,
            }
        }
        let Some((offset, bytes)) = self.pieces.front_mut() else {
            return Ok(Fetched { offset: self.to, data: Bytes::new() });
        };
        let data = bytes.split_to(bytes.len().min(PIECE_BYTES));
        let fetched = Fetched { offset: *offset, data };
        *offset += fetched.data.len() as u64;
        if bytes.is_empty() {
            self.pieces.pop_front();
        }
        let pause = rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(2.0 * fetched.data.len() as f64 / rate.max(MIN_RATE))
        });
        self.due = now + pause;
        Ok(fetched)
    }

    async fn read(&mut self, log: &Log) -> Result<(), ReadError> {
        for record in log.read(&mut self.cursor).await? {
            let Body::Output(mut bytes) = record.body else { continue };
            let end = record.offset + bytes.len() as u64;
            let (from, to) = (record.offset.max(self.next), end.min(self.to));
            if from >= to {
                continue;
            }
            let within = |offset: u64| usize::try_from(offset - record.offset).expect("within the bytes");
            bytes.truncate(within(to));
            self.pieces.push_back((from, bytes.slice(within(from)..)));
            self.next = to;
        }
        Ok(())
    }
}
