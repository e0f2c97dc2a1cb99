//! Warm runners: claimed once, by one session, or not at all.

use podling_session::{
    id::{Incarnation, RunnerId, Slot},
    phase::{Phase, Stage},
    session::{Isolation, Session},
    store::{Created, Held, NewSession, Work},
};
use tokio::task::JoinSet;

use super::world::*;

/// A runner of the pool that has registered.
async fn warm(world: &impl World) -> RunnerId {
    let slot = Slot::new().launch_name();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&slot.as_str().as_bytes()[21..]);
    let id = RunnerId::from_mac(bytes);
    world.store().pool(id, &slot).await.expect("the store answers");
    assert!(world.store().register(id, b"certificate", "unix:/warm").await.expect("the store answers"));
    id
}

async fn claim_one_of(world: &impl World, warm: &[RunnerId]) -> (Session, Option<RunnerId>) {
    match world.store().create(NewSession { warm: warm.to_vec(), ..new() }).await.expect("the store answers") {
        Created::New(session) => (session, None),
        Created::Claimed(session, runner) => (session, Some(runner)),
        other => panic!("not created: {other:?}"),
    }
}

async fn forsake(world: &impl World, life: Incarnation, runner: RunnerId) -> bool {
    world.store().forsake(life, runner).await.expect("the store answers")
}

pub(crate) async fn a_create_claims_the_first_warm_runner_that_is_free(world: impl World) {
    let store = world.store();
    let (one, two) = (warm(&world).await, warm(&world).await);
    let (first, runner) = claim_one_of(&world, &[two, one]).await;
    assert_eq!((runner, &first.phase), (Some(two), &Phase::Starting { stage: Stage::Scheduling }));
    let row = store.runner_of(first.life()).await.expect("the store answers").expect("claimed");
    assert_eq!((row.id, row.life, row.address.as_deref()), (two, Some(first.life()), Some("unix:/warm")));
    assert_eq!(store.runner_at(&row.launch).await.expect("the store answers"), Some(row.clone()));
    let held = Held { life: first.life(), launch: row.launch, launched: true };
    assert_eq!(store.held().await.expect("the store answers"), [held]);
    assert_eq!(claim_one_of(&world, &[two, one]).await.1, Some(one));
    let (third, none) = claim_one_of(&world, &[two, one]).await;
    assert_eq!((none, &third.phase), (None, &Phase::Pending));
    // Only the third has to be launched.
    assert_eq!(claim(&world).await, Some(Work::Launch(third)));
    assert_eq!(claim(&world).await, None);
    let kinds: Vec<_> = store.events(first.uid, 0).await.expect("the store answers");
    let kinds: Vec<_> = kinds.iter().map(|event| (event.sequence, event.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "session.created"), (2, "session.starting")]);
}

pub(crate) async fn of_50_creates_at_once_each_claims_another_warm_runner(world: impl World) {
    let mut pool = Vec::new();
    for _ in 0..10 {
        pool.push(warm(&world).await);
    }
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (store, new) = (world.store().clone(), NewSession { warm: pool.clone(), ..new() });
        tasks.spawn(async move {
            match store.create(new).await.expect("the store answers") {
                Created::Claimed(session, runner) => Some((runner, session.life())),
                _ => None,
            }
        });
    }
    let claims: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(claims.len(), 10);
    for (runner, life) in claims {
        let row = world.store().runner(runner).await.expect("the store answers").expect("it is there");
        assert_eq!(row.life, Some(life), "two sessions have one runner");
    }
    assert!(world.store().waiting().await.expect("the store answers").is_empty());
}

pub(crate) async fn a_runner_that_did_not_register_or_was_retired_is_not_claimed(world: impl World) {
    let store = world.store();
    let (slot, unknown) = (Slot::new().launch_name(), RunnerId::from_mac([7; 16]));
    store.pool(unknown, &slot).await.expect("the store answers");
    store.pool(unknown, &slot).await.expect("the same again changes nothing");
    let retired = warm(&world).await;
    world.advance(MINUTE);
    let waiting = store.waiting().await.expect("the store answers");
    let told: Vec<_> = waiting.iter().map(|waiting| (waiting.id, waiting.registered)).collect();
    assert!(told.contains(&(unknown, false)) && told.contains(&(retired, true)), "{told:?}");
    assert!(waiting.iter().all(|waiting| waiting.age >= MINUTE));
    assert!(store.retire(retired).await.expect("the store answers"));
    assert!(!store.retire(retired).await.expect("the store answers"));
    assert_eq!(claim_one_of(&world, &[unknown, retired]).await.1, None);
    let claimed = warm(&world).await;
    assert_eq!(claim_one_of(&world, &[claimed]).await.1, Some(claimed));
    assert!(!store.retire(claimed).await.expect("the store answers"), "it is a session's");
}

pub(crate) async fn what_was_refused_claims_nothing(world: impl World) {
    let pool = [warm(&world).await];
    create(&world, named("taken")).await;
    let refused = NewSession { warm: pool.to_vec(), ..named("taken") };
    assert_eq!(world.store().create(refused).await.expect("the store answers"), Created::IdTaken);
    let refused = NewSession { warm: pool.to_vec(), max_per_owner: 1, ..new() };
    let refused = world.store().create(refused).await.expect("the store answers");
    assert_eq!(refused, Created::QuotaExceeded { max: 1 });
    assert_eq!(claim_one_of(&world, &pool).await.1, Some(pool[0]));
}

pub(crate) async fn a_session_is_parted_once_from_a_runner_that_did_not_begin_and_launched_anew(world: impl World) {
    let store = world.store();
    let pool = [warm(&world).await];
    let (session, _) = claim_one_of(&world, &pool).await;
    let life = session.life();
    assert!(!forsake(&world, life, RunnerId::from_mac([9; 16])).await);
    assert!(forsake(&world, life, pool[0]).await);
    assert!(!forsake(&world, life, pool[0]).await);
    assert_eq!(store.runner(pool[0]).await.expect("the store answers"), None);
    assert_eq!(find(&world, life).await.phase, session.phase, "a phase never goes back");
    assert!(matches!(claim(&world).await, Some(Work::Launch(again)) if again.life() == life));
    assert!(store.launched(life, runner_id(life)).await.expect("the store answers"));
    assert!(!store.launched(life, runner_id(life)).await.expect("the store answers"));
    let row = store.runner_of(life).await.expect("the store answers").expect("launched");
    assert_eq!((row.id, row.launch), (runner_id(life), life.launch_name()));
    assert_eq!(claim(&world).await, None);
}

pub(crate) async fn a_session_that_began_or_ended_keeps_its_runner(world: impl World) {
    let store = world.store();
    let pool = [warm(&world).await, warm(&world).await];
    let (running, _) = claim_one_of(&world, &pool).await;
    assert!(store.running(running.life(), Isolation::Full).await.expect("the store answers"));
    assert!(!forsake(&world, running.life(), pool[0]).await);
    let (ended, _) = claim_one_of(&world, &pool).await;
    assert!(end(&world, ended.life()).await);
    assert!(!forsake(&world, ended.life(), pool[1]).await);
    for (life, runner) in [(running.life(), pool[0]), (ended.life(), pool[1])] {
        let row = store.runner_of(life).await.expect("the store answers").expect("claimed");
        assert_eq!(row.id, runner);
    }
    assert!(matches!(claim(&world).await, Some(Work::Release(session)) if session.life() == ended.life()));
    assert!(release(&world, ended.life()).await);
}
