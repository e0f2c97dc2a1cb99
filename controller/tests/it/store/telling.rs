//! What owners are told of their sessions.

use podling_session::{
    event::{Cursor, Told},
    id::Uid,
    principal::Reach,
    store::NewSession,
};
use tokio::time::Instant;

use super::world::*;

/// What Alice is told from a cursor on, until there are so many. On a server of others as well, what they are just
/// writing holds it back.
async fn read(world: &impl World, of: Option<Uid>, mut next: Cursor, count: usize) -> (Vec<Told>, Cursor) {
    let (mut told, deadline) = (Vec::new(), Instant::now() + 10 * SECOND);
    loop {
        let tidings = world.store().tidings(&own(), of, Some(next), 2).await.expect("the store answers");
        assert!(tidings.told.len() <= 2 && tidings.next >= next);
        (told, next) = ([told, tidings.told].concat(), tidings.next);
        if told.len() >= count {
            return (told, next);
        }
        assert!(Instant::now() < deadline, "{told:?}");
    }
}

fn kinds(told: &[Told]) -> Vec<(Uid, u64)> {
    told.iter().map(|told| (told.event.uid, told.event.sequence)).collect()
}

pub(crate) async fn tidings_are_of_ones_own_sessions_once_and_in_order(world: impl World) {
    let one = create(&world, named("one")).await;
    create(&world, NewSession { owner: owner("acme", "bob"), ..new() }).await;
    let two = run(&world, named("two")).await;
    world.store().delete(&own(), &one.id, stopped()).await.expect("the store answers");
    let (told, next) = read(&world, None, Cursor::default(), 6).await;
    let (a, b) = (one.uid, two.uid);
    assert_eq!(kinds(&told), [(a, 1), (b, 1), (b, 2), (b, 3), (a, 2), (a, 3)]);
    assert_eq!((told[0].id.as_str(), told[5].event.kind.as_str()), ("one", "session.deleted"));
    let rest = world.store().tidings(&own(), None, Some(next), 10).await.expect("the store answers");
    assert_eq!(rest.told, []);
    let of_all = Reach::Tenant(tenant("acme"));
    let all = world.store().tidings(&of_all, None, Some(Cursor::default()), 10).await.expect("the store answers");
    assert_eq!(all.told.len(), 7, "with Bob's");
    let (of_two, _) = read(&world, Some(b), Cursor::default(), 3).await;
    assert_eq!(kinds(&of_two), [(b, 1), (b, 2), (b, 3)]);
    let strangers = [owner("acme", "carol").into(), owner("other", "alice").into(), Reach::Tenant(tenant("other"))];
    for stranger in strangers {
        for of in [None, Some(a)] {
            let all =
                world.store().tidings(&stranger, of, Some(Cursor::default()), 10).await.expect("the store answers");
            assert_eq!(all.told, []);
        }
    }
}

pub(crate) async fn tidings_begin_now_or_after_any_event(world: impl World) {
    let before = create(&world, new()).await.uid;
    let (told, _) = read(&world, None, Cursor::default(), 1).await;
    let now = world.store().tidings(&own(), None, None, 10).await.expect("the store answers");
    assert_eq!(now.told, []);
    assert!(now.next >= told[0].event.cursor);
    let after = create(&world, new()).await.uid;
    assert_eq!(kinds(&read(&world, None, now.next, 1).await.0), [(after, 1)]);
    let (all, _) = read(&world, None, Cursor::default(), 2).await;
    assert_eq!(kinds(&all), [(before, 1), (after, 1)]);
    assert_eq!(kinds(&read(&world, None, all[0].event.cursor, 1).await.0), [(after, 1)]);
}
