//! The runner's memory of its viewers: which grant may open a stream, and which stream it closes.
//!
//! This table, and not the replay guard, is what makes a capability open one stream at a time: a guard that lost its
//! data opens nothing twice, because the runner still knows the nonce and the confirmed generation of every viewer.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    capability::{GRANT_LIFE_MILLIS, Grant},
    id::{AttachNonce, ViewerId},
};

/// One open stream; numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u64);

impl StreamId {
    #[cfg(test)]
    pub(crate) fn numbered(number: u64) -> StreamId {
        StreamId(number)
    }
}

/// Why a grant opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the viewer attached with another nonce")]
    OtherNonce,
    #[error("the viewer has confirmed a later generation")]
    OldGeneration,
    #[error("the viewer's open stream has a younger grant")]
    OlderGrant,
    #[error("the grant has expired")]
    Expired,
    #[error("too many viewers")]
    TooMany,
    /// The share that let the viewer in was revoked.
    #[error("the share was revoked")]
    Revoked,
}

/// What follows from an accepted grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub stream: StreamId,
    /// Must be closed (4409) before the new stream's first byte.
    pub replaces: Option<StreamId>,
}

#[derive(Debug)]
struct Known {
    nonce: AttachNonce,
    confirmed: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    stream: StreamId,
    issued_at: Timestamp,
}

#[derive(Debug)]
pub struct Viewers {
    known: HashMap<ViewerId, Known>,
    open: usize,
    max_open: usize,
    next_stream: u64,
}

/// Viewer ids are remembered as long as the runner lives, or a forgotten one could attach anew. The bound is memory
/// (about 100 bytes each); past it new viewers are refused, which fails closed.
const MAX_KNOWN: usize = 100_000;

impl Viewers {
    pub fn new(max_open: usize) -> Viewers {
        Viewers { known: HashMap::new(), open: 0, max_open, next_stream: 1 }
    }

    /// Decides about a grant whose MAC is right. `now` is in the controller's clock.
    pub fn admit(&mut self, grant: &Grant, now: Timestamp) -> Result<Accepted, Refused> {
        let age = now.duration_since(grant.issued_at);
        if age.as_millis() > i128::from(GRANT_LIFE_MILLIS) {
            return Err(Refused::Expired);
        }
        let replaces = match self.known.get(&grant.viewer) {
            None if self.known.len() >= MAX_KNOWN => return Err(Refused::TooMany),
            None => None,
            Some(known) => known.may_open(grant)?,
        };
        if replaces.is_none() && self.open >= self.max_open {
            return Err(Refused::TooMany);
        }
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let known = self.known.entry(grant.viewer).or_insert(Known { nonce: grant.nonce, confirmed: 0, open: None });
        known.confirmed = known.confirmed.max(grant.generation);
        known.open = Some(Open { stream, issued_at: grant.issued_at });
        self.open += usize::from(replaces.is_none());
        Ok(Accepted { stream, replaces })
    }

    /// The viewer acked the resume token of this generation: earlier ones are dead.
    pub fn confirm(&mut self, viewer: ViewerId, stream: StreamId, generation: u32) {
        if let Some(known) = self.known.get_mut(&viewer)
            && known.open.as_ref().is_some_and(|open| open.stream == stream)
        {
            known.confirmed = known.confirmed.max(generation);
        }
    }

    /// A stream is gone. Nothing happens when another has taken its place.
    pub fn closed(&mut self, viewer: ViewerId, stream: StreamId) {
        if let Some(known) = self.known.get_mut(&viewer)
            && known.open.as_ref().is_some_and(|open| open.stream == stream)
        {
            known.open = None;
            self.open -= 1;
        }
    }

    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.open
    }
}

impl Known {
    fn may_open(&self, grant: &Grant) -> Result<Option<StreamId>, Refused> {
        if self.nonce != grant.nonce {
            return Err(Refused::OtherNonce);
        }
        if grant.generation < self.confirmed {
            return Err(Refused::OldGeneration);
        }
        match &self.open {
            Some(open) if grant.issued_at < open.issued_at => Err(Refused::OlderGrant),
            open => Ok(open.as_ref().map(|open| open.stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::Uid, share::Who, token::Scope};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small second")
    }

    fn grant(viewer: ViewerId, nonce: AttachNonce, generation: u32, issued: i64) -> Grant {
        Grant {
            session: Uid::new(),
            viewer,
            nonce,
            generation,
            issued_at: at(issued),
            scope: Scope::ReadWrite,
            who: Who::default(),
        }
    }

    #[test]
    fn one_nonce_comes_back_until_the_first_ack_and_never_after() {
        let (viewer, nonce) = (ViewerId::new(), AttachNonce::random());
        let mut viewers = Viewers::new(10);
        let first = viewers.admit(&grant(viewer, nonce, 0, 10), at(10)).expect("first");
        let other = viewers.admit(&grant(viewer, AttachNonce::random(), 0, 11), at(11));
        assert_eq!(other, Err(Refused::OtherNonce));
        let again = viewers.admit(&grant(viewer, nonce, 0, 11), at(11)).expect("same nonce, no ack yet");
        assert_eq!((again.replaces, viewers.open()), (Some(first.stream), 1));
        viewers.confirm(viewer, first.stream, 1); // The ack of a stream that was replaced says nothing.
        let third = viewers.admit(&grant(viewer, nonce, 0, 12), at(12)).expect("still no ack");
        viewers.confirm(viewer, third.stream, 1);
        viewers.closed(viewer, third.stream);
        let late = viewers.admit(&grant(viewer, nonce, 0, 13), at(13));
        assert_eq!((late, viewers.open()), (Err(Refused::OldGeneration), 0));
        assert!(viewers.admit(&grant(viewer, nonce, 1, 14), at(14)).is_ok());
    }

    #[test]
    fn presenting_a_generation_confirms_it_and_an_older_grant_never_replaces() {
        let (viewer, nonce) = (ViewerId::new(), AttachNonce::random());
        let mut viewers = Viewers::new(10);
        viewers.admit(&grant(viewer, nonce, 3, 20), at(20)).expect("resume");
        assert_eq!(viewers.admit(&grant(viewer, nonce, 2, 21), at(21)), Err(Refused::OldGeneration));
        assert_eq!(viewers.admit(&grant(viewer, nonce, 3, 19), at(21)), Err(Refused::OlderGrant));
    }

    #[test]
    fn a_grant_lives_for_seconds_and_the_number_of_viewers_is_bounded() {
        let mut viewers = Viewers::new(1);
        let late = grant(ViewerId::new(), AttachNonce::random(), 0, 0);
        assert_eq!(viewers.admit(&late, at(31)), Err(Refused::Expired));
        let (viewer, nonce) = (ViewerId::new(), AttachNonce::random());
        viewers.admit(&grant(viewer, nonce, 0, 40), at(40)).expect("the one");
        let second = grant(ViewerId::new(), AttachNonce::random(), 0, 40);
        assert_eq!(viewers.admit(&second, at(40)), Err(Refused::TooMany));
        assert!(viewers.admit(&grant(viewer, nonce, 0, 41), at(41)).is_ok(), "coming back takes no new place");
    }
}
