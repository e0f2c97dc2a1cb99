//! Who watches stored logs here: the rules of a runner for its viewers, for sessions that have no runner any more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use podling_session::{
    capability::Grant,
    id::{Uid, ViewerId},
    share::ShareId,
    viewers::{Refused, StreamId, Viewers},
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Sessions whose viewers are remembered. A stored log is the same to all who come; past this bound the session that was
/// left longest ago is forgotten, and one that would be the next is refused while all are watched.
const MAX_ROOMS: usize = 10_000;
/// How long a new stream waits for the one it replaces. A stream that takes longer is stuck in its transport and sends
/// nothing either.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(1);

/// The viewers of stored logs at one controller.
pub struct Seats {
    max_viewers: usize,
    rooms: Mutex<HashMap<Uid, Room>>,
}

struct Room {
    viewers: Viewers,
    streams: HashMap<StreamId, Open>,
    left_at: Instant,
}

#[derive(Clone)]
struct Open {
    share: Option<ShareId>,
    /// Cancelled when the share is revoked.
    revoked: CancellationToken,
    /// Cancelled when another stream of the viewer takes its place.
    replaced: CancellationToken,
    /// Cancelled when the stream is gone.
    gone: CancellationToken,
}

impl Seats {
    pub fn new(max_viewers: usize) -> Arc<Seats> {
        Arc::new(Seats { max_viewers, rooms: Mutex::default() })
    }

    /// A seat under a grant whose MAC is right. The stream that had it before is closed first.
    pub(super) async fn take(self: &Arc<Self>, grant: &Grant, now: Timestamp) -> Result<Seat, Refused> {
        let (seat, before) = self.admit(grant, now)?;
        if let Some(before) = before {
            before.replaced.cancel();
            let _ = timeout(REPLACE_TIMEOUT, before.gone.cancelled()).await; // See the constant.
        }
        Ok(seat)
    }

    fn admit(self: &Arc<Self>, grant: &Grant, now: Timestamp) -> Result<(Seat, Option<Open>), Refused> {
        let mut rooms = self.lock();
        make_place(&mut rooms, grant.session)?;
        let room = rooms.entry(grant.session).or_insert_with(|| Room {
            viewers: Viewers::new(self.max_viewers),
            streams: HashMap::new(),
            left_at: Instant::now(),
        });
        let accepted = room.viewers.admit(grant, now)?;
        let token = CancellationToken::new;
        let open = Open { share: grant.who.share, revoked: token(), replaced: token(), gone: token() };
        room.streams.insert(accepted.stream, open.clone());
        let before = accepted.replaces.and_then(|stream| room.streams.get(&stream).cloned());
        let seat = Seat {
            seats: self.clone(),
            session: grant.session,
            viewer: grant.viewer,
            stream: accepted.stream,
            replaced: open.replaced,
            revoked: open.revoked,
            _gone: open.gone.drop_guard(),
        };
        Ok((seat, before))
    }

    /// Closes the viewers of these shares.
    pub(crate) fn revoke(&self, session: Uid, shares: &[ShareId]) {
        let rooms = self.lock();
        let open = rooms.get(&session).into_iter().flat_map(|room| room.streams.values());
        open.filter(|open| open.share.is_some_and(|share| shares.contains(&share)))
            .for_each(|open| open.revoked.cancel());
    }

    /// Whether anybody watches the session's log here.
    pub(super) fn serves(&self, session: Uid) -> bool {
        self.lock().get(&session).is_some_and(|room| !room.streams.is_empty())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, Room>> {
        self.rooms.lock().expect("no holder of this lock panics")
    }
}

fn make_place(rooms: &mut HashMap<Uid, Room>, session: Uid) -> Result<(), Refused> {
    if rooms.len() < MAX_ROOMS || rooms.contains_key(&session) {
        return Ok(());
    }
    let empty = rooms.iter().filter(|(_, room)| room.streams.is_empty());
    let oldest = empty.min_by_key(|(_, room)| room.left_at).map(|(uid, _)| *uid).ok_or(Refused::TooMany)?;
    rooms.remove(&oldest);
    Ok(())
}

/// One stream's seat; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    session: Uid,
    viewer: ViewerId,
    stream: StreamId,
    replaced: CancellationToken,
    revoked: CancellationToken,
    _gone: DropGuard,
}

impl Seat {
    /// Returns when another stream of the viewer takes this one's place, or its share is revoked. Cancel-safe.
    pub(super) async fn closing(&self) {
        tokio::select! {
            () = self.replaced.cancelled() => {}
            () = self.revoked.cancelled() => {}
        }
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.is_cancelled()
    }

    /// The viewer holds the resume token of this generation.
    pub(super) fn confirm(&self, generation: u32) {
        if let Some(room) = self.seats.lock().get_mut(&self.session) {
            room.viewers.confirm(self.viewer, self.stream, generation);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(room) = self.seats.lock().get_mut(&self.session) {
            room.viewers.closed(self.viewer, self.stream);
            room.streams.remove(&self.stream);
            room.left_at = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use podling_session::share::Who;

    use super::*;
    use crate::logs::runner::grant;

    #[tokio::test]
    async fn a_new_stream_of_a_viewer_waits_until_its_older_is_closed() {
        let seats = Seats::new(10);
        let grant = grant(Uid::new());
        let older = seats.take(&grant, Timestamp::now()).await.expect("the first");
        let newer = seats.take(&grant, Timestamp::now());
        tokio::pin!(newer);
        tokio::select! {
            biased;
            _ = newer.as_mut() => panic!("the older stream is still open"),
            () = older.closing() => drop(older),
        }
        assert!(!newer.await.expect("the same nonce").is_replaced());
    }

    #[tokio::test]
    async fn a_revoked_share_closes_its_own_viewers_and_no_others() {
        let seats = Seats::new(10);
        let (session, share) = (Uid::new(), ShareId::random());
        let of = |share| Who { name: None, share };
        let guest = Grant { who: of(Some(share)), ..grant(session) };
        let guest = seats.take(&guest, Timestamp::now()).await.expect("a seat");
        let other = Grant { who: of(Some(ShareId::random())), ..grant(session) };
        let other = seats.take(&other, Timestamp::now()).await.expect("a seat");
        seats.revoke(Uid::new(), &[share]);
        assert!(!guest.is_revoked());
        seats.revoke(session, &[share]);
        guest.closing().await;
        assert!(guest.is_revoked() && !other.is_revoked() && seats.serves(session));
    }

    #[tokio::test]
    async fn seats_are_given_back() {
        let seats = Seats::new(1);
        let session = Uid::new();
        let first = seats.take(&grant(session), Timestamp::now()).await.expect("the one");
        assert_eq!(seats.take(&grant(session), Timestamp::now()).await.err(), Some(Refused::TooMany));
        drop(first);
        assert!(seats.take(&grant(session), Timestamp::now()).await.is_ok());
    }
}
