//! Work is claimed once, and comes back until it is done.

use std::time::Duration;

use podling_session::{
    phase::Phase,
    session::Release,
    store::{Claim, Held, NewSession, Work},
};
use tokio::{task::JoinSet, time::timeout};

use super::world::*;

async fn give_back(world: &impl World, claim: &Claim, again: Duration) {
    let uid = claim.work.session().uid;
    world.store().yield_work(uid, claim.token, again).await.expect("the store answers");
}

pub(crate) async fn a_new_session_is_to_be_launched_and_the_oldest_first(world: impl World) {
    let first = create(&world, new()).await;
    world.advance(SECOND);
    let second = create(&world, new()).await;
    assert_eq!(claim(&world).await, Some(Work::Launch(first)));
    assert_eq!(claim(&world).await, Some(Work::Launch(second)));
    assert_eq!(claim(&world).await, None);
}

pub(crate) async fn of_20_claims_at_once_each_gets_another_session(world: impl World) {
    for _ in 0..10 {
        create(&world, new()).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = world.store().clone();
        tasks.spawn(async move { store.claim_work(MINUTE).await.expect("the store answers") });
    }
    let mut claimed: Vec<_> =
        tasks.join_all().await.into_iter().flatten().map(|claim| claim.work.session().uid).collect();
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 10);
}

pub(crate) async fn a_lease_runs_out_and_another_takes_the_work(world: impl World) {
    let made = create(&world, new()).await;
    assert!(claim(&world).await.is_some());
    world.advance(MINUTE - SECOND);
    assert_eq!(claim(&world).await, None);
    world.advance(SECOND);
    assert_eq!(claim(&world).await, Some(Work::Launch(made)));
}

pub(crate) async fn work_that_is_given_back_waits_as_long_as_was_said(world: impl World) {
    create(&world, new()).await;
    let first = claim_leased(&world).await.expect("a launch");
    give_back(&world, &first, 5 * SECOND).await;
    assert_eq!(claim(&world).await, None);
    world.advance(5 * SECOND);
    let again = claim_leased(&world).await.expect("the same");
    assert_eq!(again.work, first.work);
    give_back(&world, &again, Duration::ZERO).await;
    assert_eq!(claim(&world).await, Some(first.work));
}

pub(crate) async fn a_lease_that_was_lost_gives_back_no_other(world: impl World) {
    create(&world, new()).await;
    let lost = claim_leased(&world).await.expect("a launch");
    world.advance(MINUTE);
    let held = claim_leased(&world).await.expect("the same");
    give_back(&world, &lost, Duration::ZERO).await;
    assert_eq!(claim(&world).await, None, "two would act on one session");
    give_back(&world, &held, Duration::ZERO).await;
    assert_eq!(claim(&world).await, Some(held.work));
}

pub(crate) async fn one_leads_until_its_lease_runs_out_or_it_resigns(world: impl World) {
    let lead =
        async |name: &str, holder: &str| world.store().lead(name, holder, MINUTE).await.expect("the store answers");
    assert!(lead("reaper", "a").await);
    assert!(!lead("reaper", "b").await);
    assert!(lead("keys", "b").await, "each name is another matter");
    world.advance(MINUTE - SECOND);
    assert!(lead("reaper", "a").await, "it is asked for again in time");
    world.advance(SECOND);
    assert!(!lead("reaper", "b").await);
    world.advance(MINUTE);
    assert!(lead("reaper", "b").await);
    world.store().resign("reaper", "a").await.expect("the store answers");
    assert!(!lead("reaper", "a").await, "it was not its to give up");
    world.store().resign("reaper", "b").await.expect("the store answers");
    assert!(lead("reaper", "a").await);
}

pub(crate) async fn a_launched_session_has_no_work_until_it_ends(world: impl World) {
    create(&world, new()).await;
    let life = claim(&world).await.expect("a launch").session().life();
    assert!(world.store().launched(life, runner_id(life)).await.expect("the store answers"));
    world.advance(HOUR);
    assert_eq!(claim(&world).await, None);
    assert!(end(&world, life).await);
    assert!(matches!(claim(&world).await, Some(Work::Release(session)) if session.life() == life));
}

pub(crate) async fn a_session_that_ends_while_it_is_launched_is_released_after_the_launch(world: impl World) {
    for gives_back in [true, false] {
        create(&world, new()).await;
        let leased = claim_leased(&world).await.expect("a launch");
        let life = leased.work.session().life();
        assert!(end(&world, life).await);
        assert_eq!(claim(&world).await, None, "two would act on one session");
        if gives_back {
            give_back(&world, &leased, HOUR).await;
        } else {
            assert!(!world.store().launched(life, runner_id(life)).await.expect("the store answers"));
        }
        assert!(matches!(claim(&world).await, Some(Work::Release(session)) if session.life() == life));
        assert_eq!(claim(&world).await, None);
    }
}

pub(crate) async fn a_slow_launch_does_not_take_the_lease_of_the_release(world: impl World) {
    let life = create(&world, new()).await.life();
    claim(&world).await.expect("a launch");
    assert!(end(&world, life).await);
    world.advance(MINUTE);
    let leased = claim_leased(&world).await.expect("a release");
    assert!(!world.store().launched(life, runner_id(life)).await.expect("the store answers"));
    assert_eq!(claim(&world).await, None);
    give_back(&world, &leased, Duration::ZERO).await;
    assert_eq!(claim(&world).await, Some(leased.work));
}

pub(crate) async fn a_session_is_released_once_and_only_after_its_end(world: impl World) {
    let limited = || NewSession { max_per_owner: 1, ..new() };
    let made = run(&world, limited()).await;
    assert!(!release(&world, made.life()).await);
    assert!(end(&world, made.life()).await);
    assert!(release(&world, made.life()).await);
    assert!(!release(&world, made.life()).await);
    assert_eq!(find(&world, made.life()).await.release, Release::Released);
    assert!(world.store().held().await.expect("the store answers").is_empty());
    assert_eq!(claim(&world).await, None);
    // The quota went down by one, not by two.
    let next = create(&world, limited()).await;
    let refused = world.store().create(limited()).await.expect("the store answers");
    assert_eq!(refused, podling_session::store::Created::QuotaExceeded { max: 1 });
    let held = Held { life: next.life(), launch: next.life().launch_name(), launched: false };
    assert_eq!(world.store().held().await.expect("the store answers"), [held]);
}

pub(crate) async fn of_20_releases_at_once_one_lowers_the_quota(world: impl World) {
    let life = create(&world, new()).await.life();
    create(&world, new()).await;
    end(&world, life).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = world.store().clone();
        tasks.spawn(async move { store.release(life).await.expect("the store answers") });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|released| *released).count(), 1);
    let third = NewSession { max_per_owner: 2, ..new() };
    create(&world, third).await;
    let fourth = NewSession { max_per_owner: 2, ..new() };
    assert!(!matches!(
        world.store().create(fourth).await.expect("the store answers"),
        podling_session::store::Created::New(_)
    ));
}

pub(crate) async fn every_waiter_hears_of_a_change_after_it_asked(world: impl World) {
    let store = world.store();
    let life = create(&world, new()).await.life();
    let waiting = [store.changed(), store.changed(), store.changed()];
    assert!(end(&world, life).await);
    for waiter in waiting {
        timeout(10 * SECOND, waiter).await.expect("the change is told");
    }
    assert_eq!(find(&world, life).await.phase, Phase::Ended(stopped()));
}
