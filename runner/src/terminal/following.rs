//! The terminal emulator's place in the log: how far it has looked, and when it looks again.
//!
//! It looks when there is a reason to: output that may ask the terminal something, much output, or somebody who wants to
//! see the screen. An echoed key is none, so it wakes nobody.

use podling_session::log::{Body, Record};

use super::{
    asking::Asking,
    log::{Head, Log, State},
};

/// How far the emulator may be behind before the PTY's reader waits for it.
pub(super) const MAX_LAG_BYTES: u64 = 2 << 20;
/// This much output is a reason to look. The more there is at a time, the more of it has scrolled past unseen.
const MANY_BYTES: u64 = 128 << 10;
/// About the most output of one look, which is copied.
const LOOK_BYTES: usize = 128 << 10;

/// How far the emulator has come.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// The first record and offset that it has not read.
    index: u64,
    offset: u64,
    /// There is a reason to look.
    due: bool,
    /// Somebody wants to see the screen after the records below this one.
    asked: Option<u64>,
    /// What was read ends within a sequence, which any byte may complete.
    unsettled: bool,
    /// What is known of the output up to the head.
    asking: Asking,
    stopped: bool,
}

impl Log {
    /// From now on the records from here are kept until they were looked at.
    pub(super) fn follow(&self) -> Head {
        let mut state = self.state();
        let (index, offset) = (state.tail.first_index(), state.tail.first_offset());
        let due = index < state.tail.next_index();
        let asking = if due { Asking::Maybe } else { Asking::No };
        state.following = Some(Following { index, offset, due, asking, ..Following::default() });
        Head { index, offset, ended: false }
    }

    #[cfg(test)]
    pub(super) fn is_look_due(&self) -> bool {
        self.state().following.as_ref().is_some_and(|following| following.due)
    }

    pub(super) fn unfollow(&self) {
        let mut state = self.state();
        state.following = None;
        state.trim();
        self.set_lagging(&state);
    }

    /// Ends the follower.
    pub(super) fn stop_following(&self) {
        if let Some(following) = &mut self.state().following {
            following.stopped = true;
        }
        self.look.notify_one();
    }

    /// Waits for a reason to look, and returns what there is. `None` when there is nothing more to see.
    pub(super) fn next_look(&self) -> Option<Vec<Record>> {
        let mut state = self.state();
        loop {
            let following = state.following.as_ref()?;
            let seen_all = following.index == state.tail.next_index();
            if following.stopped || (seen_all && state.ended) {
                return None;
            }
            if following.due {
                return Some(state.unseen(following.index));
            }
            state = self.look.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// The records below `index` and the output below `offset` were looked at. Says whether somebody wants to see it.
    pub(super) fn looked(&self, index: u64, offset: u64, unsettled: bool) -> bool {
        let mut state = self.state();
        let State { tail, following: Some(following), ended, .. } = &mut *state else { return false };
        (following.index, following.offset, following.unsettled) = (index, offset, unsettled);
        if following.asking == Asking::Maybe && !unsettled {
            let unseen = tail.from(index).map(|record| &record.body);
            following.asking = unseen.fold(Asking::No, after);
        }
        following.due = index < tail.next_index() && (*ended || following.is_called(tail.end()));
        let asked = following.asked.is_some_and(|asked| asked <= index);
        state.trim();
        self.set_lagging(&state);
        asked
    }

    /// Those who asked have seen the screen after the records below `index`.
    pub(super) fn shown(&self, index: u64) {
        if let Some(following) = &mut self.state().following
            && following.asked.is_some_and(|asked| asked <= index)
        {
            following.asked = None;
        }
    }

    /// Asks for a look at everything up to the head, which is returned.
    pub(super) fn ask_look(&self) -> Head {
        let mut state = self.state();
        let head = state.head();
        if let Some(following) = &mut state.following {
            following.asked = following.asked.max(Some(head.index));
            following.due = true;
            self.look.notify_one();
        }
        head
    }
}

impl Following {
    /// Whether there is a reason to look at what was not read of a log that ends here.
    fn is_called(&self, end: u64) -> bool {
        // Who asked is shown no screen within a sequence.
        let waits = self.asked.is_some_and(|asked| asked > self.index || self.unsettled);
        waits || self.asking == Asking::Maybe || end - self.offset >= MANY_BYTES
    }
}

fn after(asking: Asking, body: &Body) -> Asking {
    match body {
        Body::Output(bytes) => asking.then(bytes),
        _ => asking,
    }
}

impl State {
    /// Whether the record that was just appended is a reason to look that there was not before.
    pub(super) fn calls(&mut self) -> bool {
        let (Some(following), Some(last)) = (&mut self.following, self.tail.last()) else { return false };
        following.asking = after(following.asking, &last.body);
        let is_output = matches!(last.body, Body::Output(_));
        let is_called = self.ended || (is_output && following.is_called(self.tail.end()));
        let was_due = following.due;
        following.due |= is_called;
        is_called && !was_due
    }

    /// The first record that the emulator has not read; without one, nothing waits for it.
    pub(super) fn unfollowed(&self) -> u64 {
        self.following.as_ref().map_or(u64::MAX, |following| following.index)
    }

    pub(super) fn is_lagging(&self) -> bool {
        let behind = self.following.as_ref().map_or(0, |following| self.tail.end() - following.offset);
        behind > MAX_LAG_BYTES
    }

    fn unseen(&self, from: u64) -> Vec<Record> {
        let mut room = LOOK_BYTES;
        let fits = |record: &&Record| {
            let had_room = room > 0;
            if let Body::Output(bytes) = &record.body {
                room = room.saturating_sub(bytes.len());
            }
            had_room
        };
        self.tail.from(from).take_while(fits).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::FutureExt;
    use tokio::sync::watch;

    use super::*;
    use crate::terminal::{Follower, keyboard};

    #[tokio::test]
    async fn output_waits_for_an_emulator_that_is_two_mebibytes_behind_and_for_one_that_is_gone_no_longer() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Arc::new(Log::new(directory.path().to_owned(), u64::MAX, watch::Sender::default()));
        log.refused(); // Nothing waits for files then.
        let (keyboard, _input) = keyboard();
        let (_follower, mut emulator) = Follower::by_hand(Arc::clone(&log), keyboard);
        let piece = || Bytes::from_static(&[b'x'; 64 << 10]);
        let mut said = 0;
        while log.output(piece()).now_or_never().is_some() {
            said += piece().len() as u64;
            assert!(said <= MAX_LAG_BYTES, "{said} bytes");
        }
        assert_eq!(said, MAX_LAG_BYTES);
        let ((), ()) = tokio::join!(log.output(piece()), async { emulator.step() });
        while log.output(piece()).now_or_never().is_some() {}
        let ((), ()) = tokio::join!(log.output(piece()), async { drop(emulator) });
    }
}
