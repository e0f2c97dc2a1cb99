//! What a create promises.

use podling_session::{
    phase::Phase,
    session::Release,
    store::{Created, NewSession},
};
use tokio::task::JoinSet;

use super::world::*;

pub(crate) async fn a_created_session_is_pending_and_found_by_id_and_uid(world: impl World) {
    let made = create(&world, named("mine")).await;
    assert_eq!((&made.phase, made.release, made.incarnation), (&Phase::Pending, Release::Held, 1));
    for id in [id("mine"), made.uid.into()] {
        assert_eq!(world.store().get(&own(), &id).await.expect("the store answers").as_ref(), Some(&made));
    }
    assert_eq!(find(&world, made.life()).await, made);
    let sealed = world.store().sealed(made.uid).await.expect("the store answers").expect("it is there");
    assert_eq!((sealed.key, sealed.secrets), (b"key".to_vec(), Some(b"secrets".to_vec())));
}

pub(crate) async fn an_id_is_taken_once_in_a_tenant(world: impl World) {
    create(&world, named("mine")).await;
    let again = |owner| NewSession { owner, ..named("mine") };
    let store = world.store();
    assert_eq!(store.create(again(alice())).await.expect("the store answers"), Created::IdTaken);
    assert_eq!(store.create(again(owner("acme", "bob"))).await.expect("the store answers"), Created::IdTaken);
    create(&world, again(owner("other", "alice"))).await;
}

pub(crate) async fn another_sessions_uid_is_no_id(world: impl World) {
    let first = create(&world, named("mine")).await;
    let shadow = named(&first.uid.to_string());
    assert_eq!(world.store().create(shadow).await.expect("the store answers"), Created::IdTaken);
}

pub(crate) async fn of_50_creates_at_once_a_quota_of_10_admits_10(world: impl World) {
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let store = world.store().clone();
        let new = NewSession { max_per_owner: 10, ..new() };
        tasks.spawn(async move { store.create(new).await.expect("the store answers") });
    }
    let (made, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(|made| matches!(made, Created::New(_)));
    assert_eq!(made.len(), 10);
    assert!(refused.iter().all(|made| *made == Created::QuotaExceeded { max: 10 }), "{refused:?}");
    assert_eq!(world.store().held().await.expect("the store answers").len(), 10);
}

pub(crate) async fn a_tenant_has_a_quota_beside_its_owners(world: impl World) {
    let of = |subject: &str| NewSession { owner: owner("acme", subject), max_per_owner: 2, max_per_tenant: 3, ..new() };
    create(&world, of("alice")).await;
    create(&world, of("alice")).await;
    let refused = |max| Created::QuotaExceeded { max };
    assert_eq!(world.store().create(of("alice")).await.expect("the store answers"), refused(2));
    create(&world, of("bob")).await;
    assert_eq!(world.store().create(of("bob")).await.expect("the store answers"), refused(3));
}

pub(crate) async fn what_was_refused_holds_no_quota_and_no_key(world: impl World) {
    let limited = || NewSession { max_per_owner: 1, ..new() };
    let first = create(&world, limited()).await;
    let keyed = || NewSession { idempotency: repeatable("k", 1), ..limited() };
    for _ in 0..3 {
        let refused = world.store().create(keyed()).await.expect("the store answers");
        assert_eq!(refused, Created::QuotaExceeded { max: 1 });
    }
    end(&world, first.life()).await;
    release(&world, first.life()).await;
    create(&world, keyed()).await;
}

pub(crate) async fn a_repeated_request_gets_the_same_session(world: impl World) {
    let keyed = |body| NewSession { idempotency: repeatable("k", body), ..new() };
    let first = create(&world, keyed(1)).await;
    let store = world.store();
    assert_eq!(store.create(keyed(1)).await.expect("the store answers"), Created::Existing(first.clone()));
    assert_eq!(store.create(keyed(2)).await.expect("the store answers"), Created::IdempotencyConflict);
    // A key is its owner's.
    let bobs = NewSession { owner: owner("acme", "bob"), ..keyed(2) };
    create(&world, bobs).await;
    // What became of the session meanwhile is answered.
    end(&world, first.life()).await;
    let Created::Existing(ended) = store.create(keyed(1)).await.expect("the store answers") else {
        panic!("made twice");
    };
    assert_eq!(reason(&ended), Some(stopped().reason));
}

pub(crate) async fn a_repeat_counts_for_24_hours(world: impl World) {
    let keyed = || NewSession { idempotency: repeatable("k", 1), ..new() };
    let first = create(&world, keyed()).await;
    world.advance(DAY - MINUTE);
    assert!(matches!(world.store().create(keyed()).await.expect("the store answers"), Created::Existing(_)));
    world.advance(MINUTE);
    assert_ne!(create(&world, keyed()).await.uid, first.uid);
}

pub(crate) async fn a_late_repeat_does_not_make_a_pruned_session_again(world: impl World) {
    let keyed = || NewSession { idempotency: repeatable("k", 1), ..new() };
    let first = create(&world, keyed()).await;
    world.store().delete(&own(), &first.id, stopped()).await.expect("the store answers");
    release(&world, first.life()).await;
    assert_eq!(world.store().sweep(DAY, MINUTE).await.expect("the store answers").pruned.len(), 1);
    assert_eq!(world.store().create(keyed()).await.expect("the store answers"), Created::IdempotencyConflict);
}

pub(crate) async fn of_20_equal_requests_at_once_one_makes_a_session(world: impl World) {
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = world.store().clone();
        let new = NewSession { idempotency: repeatable("k", 1), ..new() };
        tasks.spawn(async move { store.create(new).await.expect("the store answers") });
    }
    let mut uids = Vec::new();
    let mut new = 0;
    for made in tasks.join_all().await {
        match made {
            Created::New(session) => {
                new += 1;
                uids.push(session.uid);
            }
            Created::Existing(session) => uids.push(session.uid),
            other => panic!("{other:?}"),
        }
    }
    uids.dedup();
    assert_eq!((new, uids.len()), (1, 1));
    assert_eq!(world.store().held().await.expect("the store answers").len(), 1);
}
