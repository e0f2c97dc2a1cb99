//! How much output a viewer may be sent before it says that it took some.

use std::collections::VecDeque;

/// One viewer's window over the offsets of a log. Offsets that hold no bytes, because output was lost there, cost
/// nothing and need no ack.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    window: u64,
    sent: u64,
    acked: u64,
    /// Gaps above `acked`, in ascending order.
    gaps: VecDeque<(u64, u64)>,
}

impl Credit {
    pub(super) fn new(window: u64, from: u64) -> Credit {
        Credit { window, sent: from, acked: from, gaps: VecDeque::new() }
    }

    /// Bytes that may be sent now.
    pub(super) fn room(&self) -> usize {
        let lost: u64 = self.gaps.iter().map(|(from, to)| to - from).sum();
        let outstanding = self.sent - self.acked - lost;
        usize::try_from(self.window.saturating_sub(outstanding)).unwrap_or(usize::MAX)
    }

    /// Output up to this offset is on its way.
    pub(super) fn sent(&mut self, end: u64) {
        self.sent = self.sent.max(end);
    }

    /// There is no output between the last and this offset.
    pub(super) fn skipped(&mut self, to: u64) {
        if to > self.sent {
            self.gaps.push_back((self.sent, to));
            self.sent = to;
            self.pass_gaps();
        }
    }

    /// The viewer took everything below this offset. `true` when that was news. What was never sent cannot be acked.
    pub(super) fn ack(&mut self, offset: u64) -> bool {
        let before = self.acked;
        self.acked = before.max(offset.min(self.sent));
        self.pass_gaps();
        self.acked > before
    }

    fn pass_gaps(&mut self) {
        while let Some((from, to)) = self.gaps.front().copied().filter(|(from, _)| *from <= self.acked) {
            debug_assert!(from < to);
            self.acked = self.acked.max(to);
            self.gaps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_gets_a_window_and_more_only_for_acks() {
        let mut credit = Credit::new(100, 1_000);
        assert_eq!(credit.room(), 100);
        credit.sent(1_100);
        assert_eq!(credit.room(), 0);
        assert!(credit.ack(1_040));
        assert!(!credit.ack(1_030), "acks do not go back");
        assert_eq!(credit.room(), 40);
        assert!(credit.ack(u64::MAX));
        assert_eq!(credit.room(), 100, "an ack of what was never sent gives no more than the window");
    }

    #[test]
    fn a_gap_costs_nothing_and_locks_nobody_out() {
        let mut credit = Credit::new(100, 0);
        credit.sent(100);
        credit.skipped(5_000);
        assert_eq!(credit.room(), 0);
        credit.ack(100);
        assert_eq!(credit.room(), 100);
        credit.sent(5_050);
        assert_eq!(credit.room(), 50);
        credit.ack(5_050);
        assert_eq!(credit.room(), 100);
        credit.skipped(9_000);
        assert_eq!(credit.room(), 100, "a gap behind everything acked is passed at once");
    }
}
