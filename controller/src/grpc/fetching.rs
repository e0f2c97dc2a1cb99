//! Answers to a viewer that asks for output it skipped.

use std::collections::VecDeque;

use bytes::Bytes;
use podling_proto::terminal::{Fetched, Range};
use podling_session::log::Body;

use super::error::Error;
use crate::logs::read::{Reader, Stored};

/// The most that answers one question.
const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// The most of it in one message.
const PIECE_BYTES: usize = 64 * 1024;
/// More questions than this are not kept.
const MAX_WAITING: usize = 16;

pub(super) struct Fetches {
    stored: Stored,
    waiting: VecDeque<Range>,
    answer: Option<Answer>,
}

struct Answer {
    reader: Reader,
    next: u64,
    to: u64,
    pieces: VecDeque<(u64, Bytes)>,
}

impl Fetches {
    pub(super) fn new(stored: Stored) -> Fetches {
        Fetches { stored, waiting: VecDeque::new(), answer: None }
    }

    pub(super) fn ask(&mut self, range: Range) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(range);
        }
    }

    /// The next piece of the oldest question's answer; none when nothing is asked.
    pub(super) async fn piece(&mut self) -> Result<Option<Fetched>, Error> {
        let mut answer = match (self.answer.take(), self.waiting.pop_front()) {
            (Some(answer), range) => {
                range.into_iter().for_each(|range| self.waiting.push_front(range));
                answer
            }
            (None, Some(range)) => Answer::new(&self.stored, &range),
            (None, None) => return Ok(None),
        };
        let piece = answer.piece().await?;
        if !piece.data.is_empty() {
            self.answer = Some(answer);
        }
        Ok(Some(piece))
    }
}

impl Answer {
    fn new(stored: &Stored, range: &Range) -> Answer {
        let next = range.from.clamp(stored.first(), stored.end().max(stored.first()));
        let to = range.to.min(stored.end()).min(next.saturating_add(MAX_ANSWER_BYTES)).max(next);
        Answer { reader: stored.clone().read(next), next, to, pieces: VecDeque::new() }
    }

    async fn piece(&mut self) -> Result<Fetched, Error> {
        while self.next < self.to {
            let Some(record) = self.reader.next().await? else { break };
            let Body::Output(bytes) = record.body else { continue };
            let within = |offset: u64| usize::try_from(offset.saturating_sub(record.offset)).unwrap_or(usize::MAX);
            let (from, to) = (within(self.next).min(bytes.len()), within(self.to).min(bytes.len()));
            if from < to {
                self.next = record.offset + to as u64;
                self.pieces.push_back((record.offset + from as u64, bytes.slice(from..to)));
                break;
            }
            if record.offset >= self.to {
                break;
            }
        }
        let Some((offset, bytes)) = self.pieces.front_mut() else {
            return Ok(Fetched { offset: self.to, data: Bytes::new() });
        };
        let piece = Fetched { offset: *offset, data: bytes.split_to(bytes.len().min(PIECE_BYTES)) };
        *offset += piece.data.len() as u64;
        if bytes.is_empty() {
            self.pieces.pop_front();
        }
        Ok(piece)
    }
}
