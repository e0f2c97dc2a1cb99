//! What is typed, on its way to the program: held while the connection is away, within the credit that the server gives.

use bytes::{Bytes, BytesMut};
use podling_session::frame::INPUT_WINDOW_BYTES;

/// In one frame, which may have 64 KiB.
const PIECE_BYTES: usize = 16 << 10;
/// More waits where it comes from.
const MAX_WAITING: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Typing {
    waiting: BytesMut,
    /// On this connection.
    sent: u64,
    taken: u64,
}

impl Typing {
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// A new connection has its whole credit.
    pub(super) fn opened(&mut self) {
        (self.sent, self.taken) = (0, 0);
    }

    pub(super) fn taken(&mut self, total: u64) {
        self.taken = self.taken.max(total);
    }

    /// What may be sent now.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let credit = (self.taken + INPUT_WINDOW_BYTES).saturating_sub(self.sent);
        let length = self.waiting.len().min(PIECE_BYTES).min(usize::try_from(credit).unwrap_or(usize::MAX));
        self.sent += length as u64;
        (length > 0).then(|| self.waiting.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_keeps_to_the_credit_and_what_exceeds_it_waits() {
        let mut typing = Typing::default();
        typing.push(&vec![b'x'; 300 << 10]);
        assert!(!typing.has_room());
        let drain = |typing: &mut Typing| std::iter::from_fn(|| typing.next()).map(|piece| piece.len()).sum::<usize>();
        assert_eq!(drain(&mut typing), 256 << 10);
        typing.taken(1_000);
        assert_eq!(drain(&mut typing), 1_000);
        typing.opened();
        assert_eq!(drain(&mut typing), (44 << 10) - 1_000);
        assert!(typing.has_room());
    }
}
