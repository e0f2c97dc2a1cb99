//! Who is attached, and who of them may type.
//!
//! Everybody who may write does, until one viewer holds the input lease: then that one alone, for as long as it is there.
//! Any writer asks for it; the session's owner gets it at once, and grants it to others and takes it back.

use std::collections::HashMap;

use crate::{
    id::ViewerId,
    share::{ShareId, Who},
    token::Scope,
    viewers::StreamId,
};

/// Those that are told by name; the count tells of the others.
const MAX_TOLD: usize = 32;

/// A viewer as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// From 1 on, in the order of coming; kept by a viewer that comes back.
    pub number: u32,
    pub who: Who,
    pub scope: Scope,
    /// It asks for the lease.
    pub asks: bool,
}

/// What is told to viewers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// Who alone may type: one of the people, and there.
    pub holder: Option<u32>,
    /// Who holds the lease, asks for it, is the owner, or came first.
    pub people: Vec<Person>,
}

/// What a viewer wants of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseWish {
    Ask,
    /// Neither ask nor hold it any more.
    GiveUp,
    /// The owner alone, of the one with this number.
    Grant(u32),
    /// The owner alone.
    Refuse(u32),
    /// The owner alone: everybody may type again.
    TakeBack,
}

#[derive(Debug)]
struct Present {
    person: Person,
    stream: StreamId,
}

#[derive(Debug, Default)]
pub struct Attendance {
    present: HashMap<ViewerId, Present>,
    /// Of all who ever came: no more than the table of viewers remembers.
    numbers: HashMap<ViewerId, u32>,
    /// May be away, and comes back to it.
    holder: Option<ViewerId>,
}

impl Attendance {
    /// Comes, or comes back on another stream.
    pub fn arrive(&mut self, viewer: ViewerId, stream: StreamId, who: Who, scope: Scope) {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX).saturating_add(1);
        let number = *self.numbers.entry(viewer).or_insert(next);
        let asks = self.present.get(&viewer).is_some_and(|before| before.person.asks);
        self.present.insert(viewer, Present { person: Person { number, who, scope, asks }, stream });
    }

    /// Nothing happens when another stream has taken this one's place.
    pub fn leave(&mut self, viewer: ViewerId, stream: StreamId) {
        if self.present.get(&viewer).is_some_and(|present| present.stream == stream) {
            self.present.remove(&viewer);
        }
    }

    /// The streams of those whom this share let in.
    pub fn of_share(&self, share: ShareId) -> impl Iterator<Item = StreamId> {
        self.present
            .values()
            .filter(move |present| present.person.who.share == Some(share))
            .map(|present| present.stream)
    }

    /// Whether something changed.
    pub fn wish(&mut self, viewer: ViewerId, wish: LeaseWish) -> bool {
        let Some(Present { person, .. }) = self.present.get(&viewer) else { return false };
        let (owner, writes) = (person.who.is_owner(), person.scope == Scope::ReadWrite);
        match wish {
            LeaseWish::Ask if !writes => false,
            LeaseWish::Ask if owner => self.grant(viewer),
            LeaseWish::Ask => self.asks(viewer, true),
            LeaseWish::GiveUp => self.asks(viewer, false) | self.release(viewer),
            LeaseWish::Grant(number) if owner => match self.named(number) {
                Some(other) if self.present[&other].person.scope == Scope::ReadWrite => self.grant(other),
                _ => false,
            },
            LeaseWish::Refuse(number) if owner => self.named(number).is_some_and(|other| self.asks(other, false)),
            LeaseWish::TakeBack if owner => self.holder.take().is_some(),
            LeaseWish::Grant(_) | LeaseWish::Refuse(_) | LeaseWish::TakeBack => false,
        }
    }

    /// The stream of who alone may type; none while everybody may.
    pub fn holder(&self) -> Option<StreamId> {
        self.holder.and_then(|holder| self.present.get(&holder)).map(|present| present.stream)
    }

    /// Whom the lease was given to, there or away.
    pub fn lease(&self) -> Option<ViewerId> {
        self.holder
    }

    /// 0 of who never came.
    pub fn number(&self, viewer: ViewerId) -> u32 {
        self.numbers.get(&viewer).copied().unwrap_or_default()
    }

    /// What viewers are told.
    pub fn roll(&self) -> Roll {
        let here = |viewer: &ViewerId| self.present.get(viewer).map(|present| present.person.number);
        let holder = self.holder.as_ref().and_then(here);
        let mut people: Vec<_> = self.present.values().map(|present| present.person.clone()).collect();
        people
            .sort_by_key(|person| (Some(person.number) != holder, !person.asks, !person.who.is_owner(), person.number));
        people.truncate(MAX_TOLD);
        Roll { holder, people }
    }

    fn named(&self, number: u32) -> Option<ViewerId> {
        self.present.iter().find(|(_, present)| present.person.number == number).map(|(viewer, _)| *viewer)
    }

    fn grant(&mut self, viewer: ViewerId) -> bool {
        self.asks(viewer, false) | (self.holder.replace(viewer) != Some(viewer))
    }

    fn release(&mut self, viewer: ViewerId) -> bool {
        self.holder.take_if(|holder| *holder == viewer).is_some()
    }

    fn asks(&mut self, viewer: ViewerId, asks: bool) -> bool {
        let present = self.present.get_mut(&viewer);
        present.is_some_and(|present| std::mem::replace(&mut present.person.asks, asks) != asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Room {
        attendance: Attendance,
        streams: u64,
    }

    impl Room {
        fn arrives(&mut self, viewer: ViewerId, share: Option<ShareId>, scope: Scope) -> StreamId {
            self.streams += 1;
            let stream = StreamId::numbered(self.streams);
            self.attendance.arrive(viewer, stream, Who { name: None, share }, scope);
            stream
        }

        fn holder(&self) -> Option<u32> {
            self.attendance.roll().holder
        }
    }

    fn room() -> (Room, ViewerId, ViewerId) {
        let mut room = Room { attendance: Attendance::default(), streams: 0 };
        let (owner, guest) = (ViewerId::new(), ViewerId::new());
        room.arrives(owner, None, Scope::ReadWrite);
        room.arrives(guest, Some(ShareId::random()), Scope::ReadWrite);
        (room, owner, guest)
    }

    #[test]
    fn a_guest_asks_the_owner_grants_and_takes_back() {
        let (mut room, owner, guest) = room();
        assert!(room.attendance.wish(guest, LeaseWish::Ask));
        assert_eq!(room.holder(), None, "asking gives nothing");
        assert!(!room.attendance.wish(guest, LeaseWish::Ask), "twice is once");
        assert!(room.attendance.wish(owner, LeaseWish::Grant(2)));
        assert_eq!(room.holder(), Some(2));
        assert!(!room.attendance.roll().people[0].asks);
        assert!(room.attendance.wish(owner, LeaseWish::TakeBack));
        assert_eq!(room.holder(), None);
        room.attendance.wish(guest, LeaseWish::Ask);
        assert!(room.attendance.wish(owner, LeaseWish::Refuse(2)));
        assert!(!room.attendance.roll().people.iter().any(|person| person.asks));
    }

    #[test]
    fn guests_grant_and_take_nothing_and_readers_never_hold_it() {
        let (mut room, owner, guest) = room();
        let reader = ViewerId::new();
        room.arrives(reader, Some(ShareId::random()), Scope::ReadOnly);
        for wish in [LeaseWish::Grant(2), LeaseWish::Grant(1), LeaseWish::Refuse(1), LeaseWish::TakeBack] {
            assert!(!room.attendance.wish(guest, wish), "{wish:?}");
        }
        assert!(!room.attendance.wish(reader, LeaseWish::Ask));
        assert!(!room.attendance.wish(owner, LeaseWish::Grant(3)));
        assert!(!room.attendance.wish(owner, LeaseWish::Grant(9)));
        assert!(room.attendance.wish(owner, LeaseWish::Ask), "the owner needs nobody");
        assert_eq!(room.holder(), Some(1));
        assert!(!room.attendance.wish(guest, LeaseWish::TakeBack));
        assert!(room.attendance.wish(owner, LeaseWish::GiveUp));
        assert_eq!(room.holder(), None);
    }

    #[test]
    fn a_holder_that_is_away_keeps_nobody_from_typing_and_comes_back_to_it() {
        let (mut room, owner, guest) = room();
        room.attendance.wish(owner, LeaseWish::Grant(2));
        let old = room.attendance.holder().expect("it is there");
        let new = room.arrives(guest, None, Scope::ReadWrite);
        room.attendance.leave(guest, old);
        assert_eq!(room.attendance.holder(), Some(new), "the stream that was replaced says nothing");
        room.attendance.leave(guest, new);
        assert_eq!((room.attendance.holder(), room.holder()), (None, None));
        room.arrives(guest, None, Scope::ReadWrite);
        assert_eq!(room.holder(), Some(2), "with its number");
    }

    #[test]
    fn of_a_crowd_those_are_told_who_matter() {
        let (mut room, owner, guest) = room();
        for _ in 0..100 {
            room.arrives(ViewerId::new(), Some(ShareId::random()), Scope::ReadOnly);
        }
        let before = room.attendance.roll();
        room.arrives(ViewerId::new(), Some(ShareId::random()), Scope::ReadOnly);
        assert_eq!(room.attendance.roll(), before, "one more is nobody's news");
        room.attendance.wish(guest, LeaseWish::Ask);
        let roll = room.attendance.roll();
        assert_eq!((roll.people.len(), roll.people[0].number, roll.people[1].number), (32, 2, 1));
        room.attendance.wish(owner, LeaseWish::Ask);
        assert_eq!(room.attendance.roll().people[0].number, 1);
    }
}
