//! What was told and is not written yet.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use podling_session::audit::{Action, Entry, Outcome};
use tokio::time::Instant;

/// Entries that wait for the store: half a minute of the most that a controller creates and admits.
const MOST: usize = 10_000;
/// How long refusals are counted together.
const SPAN: Duration = Duration::from_secs(60);
/// Callers whose refusals are counted apart within that time. Those of all others are counted by kind alone, of which
/// there are some dozens.
const CALLERS: usize = 64;

#[derive(Default)]
pub(super) struct Board {
    entries: VecDeque<(Instant, Entry)>,
    refused: HashMap<Entry, (Instant, u64)>,
    /// When the first of the refusals that are counted came.
    since: Option<Instant>,
    /// Came when there was no room.
    lost: u64,
}

impl Board {
    /// `false` when there is no room.
    pub(super) fn tell(&mut self, entry: Entry, now: Instant) -> bool {
        match entry.outcome {
            Outcome::Refused => {
                self.count(entry, now);
                true
            }
            Outcome::Done if self.entries.len() < MOST => {
                self.entries.push_back((now, entry));
                true
            }
            Outcome::Done => {
                self.lost += 1;
                false
            }
        }
    }

    fn count(&mut self, entry: Entry, now: Instant) {
        self.since.get_or_insert(now);
        let count = entry.count;
        let caller = Entry { request_id: None, session: None, count: 1, ..entry };
        let known = self.refused.contains_key(&caller) || self.refused.len() < CALLERS;
        let kind = if known { caller } else { Entry { by: None, address: None, ..caller } };
        self.refused.entry(kind).or_insert((now, 0)).1 += count;
    }

    /// What was counted is told now.
    pub(super) fn close(&mut self, now: Instant) {
        for (kind, (at, count)) in self.refused.drain() {
            self.entries.push_back((at, Entry { count, ..kind }));
        }
        self.since = None;
        self.tell_lost(now);
    }

    fn tell_lost(&mut self, now: Instant) {
        if self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            self.entries.push_back((now, Entry { count, ..Entry::done(Action::AuditOverflow) }));
        }
    }

    /// The oldest entries that are to be written.
    pub(super) fn take(&mut self, most: usize, now: Instant) -> Vec<(Instant, Entry)> {
        if self.entries.len() < MOST {
            match self.since {
                Some(since) if now.duration_since(since) >= SPAN => self.close(now),
                _ => self.tell_lost(now),
            }
        }
        self.entries.drain(..most.min(self.entries.len())).collect()
    }

    /// They could not be written.
    pub(super) fn put_back(&mut self, entries: Vec<(Instant, Entry)>) {
        for entry in entries.into_iter().rev() {
            self.entries.push_front(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn refused(address: u32) -> Entry {
        Entry::refused(Action::AuthRefuse, "invalid-key").from(Some(Ipv4Addr::from_bits(address).into()))
    }

    #[test]
    fn a_million_refusals_of_strangers_are_a_few_lines() {
        let (mut board, now) = (Board::default(), Instant::now());
        for address in 0..1_000_000 {
            assert!(board.tell(refused(address % 100_000), now));
        }
        assert!(board.take(1_000, now + SPAN / 2).is_empty());
        let told = board.take(1_000, now + SPAN);
        assert_eq!(told.len(), CALLERS + 1);
        assert_eq!(told.iter().map(|(_, entry)| entry.count).sum::<u64>(), 1_000_000);
        assert!(board.take(1_000, now + SPAN * 9).is_empty());
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_count_told_when_there_is() {
        let (mut board, now) = (Board::default(), Instant::now());
        for number in 0..MOST + 7 {
            assert_eq!(board.tell(Entry::done(Action::SessionCreate), now), number < MOST);
        }
        let first = board.take(10, now);
        assert_eq!(first.len(), 10);
        board.put_back(first);
        let (_, told) = (board.take(MOST, now), board.take(MOST, now));
        assert_eq!((told.len(), told[0].1.action, told[0].1.count), (1, Action::AuditOverflow, 7));
    }

    #[test]
    fn the_oldest_come_first_and_again_when_they_could_not_be_written() {
        let (mut board, now) = (Board::default(), Instant::now());
        for name in ["one", "two", "three"] {
            board.tell(Entry::done(Action::KeyCreate).detail(name), now);
        }
        let two = board.take(2, now);
        board.put_back(two);
        let names: Vec<_> = board.take(9, now).into_iter().map(|(_, entry)| entry.detail).collect();
        assert_eq!(names, ["one", "two", "three"]);
    }
}
