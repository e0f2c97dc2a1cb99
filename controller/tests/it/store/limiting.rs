//! What owners may use, and what becomes of their deadlines.

use std::time::Duration;

use podling_session::{
    phase::EndReason,
    quota::{Overrides, QuotaOf, QuotaOverride},
    spec::Spans,
    store::{Created, Extended, NewSession},
};

use super::world::*;

pub(crate) async fn what_is_said_of_a_quota_is_kept_of_whom_it_was_said(world: impl World) {
    let store = world.store();
    let (of_alice, of_acme) = (QuotaOf::Owner(alice()), QuotaOf::Tenant(alice().tenant));
    assert_eq!(store.overrides(&alice()).await.expect("the store answers"), Overrides::default());
    let all = QuotaOverride {
        sessions: Some(0),
        tenant_sessions: Some(u32::MAX),
        creates_per_minute: Some(3),
        viewers: Some(4),
        stored_bytes: Some(1 << 40),
        tenant_stored_bytes: Some(0),
        max_deadline: Some(Duration::from_secs(7)),
        max_idle: Some(Duration::from_millis(1_500)),
        max_cpu_millis: Some(8),
        max_memory_bytes: Some(9),
        max_disk_bytes: Some(10),
        max_pids: Some(11),
    };
    let few = QuotaOverride { viewers: Some(1), ..QuotaOverride::default() };
    store.set_quota(&of_acme, &few).await.expect("the store answers");
    store.set_quota(&of_acme, &all).await.expect("the store answers");
    store.set_quota(&of_alice, &few).await.expect("the store answers");
    assert_eq!(store.quota(&of_acme).await.expect("the store answers"), all);
    let said = store.overrides(&alice()).await.expect("the store answers");
    assert_eq!(said, Overrides { tenant: all.clone(), owner: few.clone() });
    let bobs = store.overrides(&owner("acme", "bob")).await.expect("the store answers");
    assert_eq!(bobs, Overrides { tenant: all, owner: QuotaOverride::default() });
    // An owner whose subject is as empty as a tenant's is another.
    let nobody = QuotaOf::Owner(owner("acme", ""));
    assert_eq!(store.quota(&nobody).await.expect("the store answers"), QuotaOverride::default());
    let others = store.overrides(&owner("other", "alice")).await.expect("the store answers");
    assert_eq!(others, Overrides::default());
}

pub(crate) async fn kept_logs_count_from_release_to_pruning_and_stop_creates_at_the_maximum(world: impl World) {
    let limited = |bytes: u64| NewSession { max_stored_bytes: bytes, ..new() };
    let outcome = async |new: NewSession| world.store().create(new).await.expect("the store answers");
    let life = run(&world, new()).await.life();
    world.store().log_end(life, 100).await.expect("the store answers");
    create(&world, limited(100)).await;
    end(&world, life).await;
    assert!(release(&world, life).await);
    assert_eq!(outcome(limited(100)).await, Created::StorageExceeded { max_bytes: 100 });
    create(&world, limited(101)).await;
    let of_tenant = NewSession { owner: owner("acme", "bob"), max_tenant_stored_bytes: 100, ..new() };
    assert_eq!(outcome(of_tenant).await, Created::StorageExceeded { max_bytes: 100 });
    world.advance(DAY);
    world.store().sweep(DAY, HOUR).await.expect("the store answers");
    create(&world, limited(1)).await;
    assert_eq!(outcome(limited(0)).await, Created::StorageExceeded { max_bytes: 0 });
}

fn spans(deadline: Option<Duration>, idle: Option<Duration>) -> Spans {
    Spans { deadline, idle }
}

async fn extend(world: &impl World, id: &podling_session::id::SessionId, spans: Spans) -> Extended {
    world.store().extend(&alice().into(), id, spans).await.expect("the store answers")
}

pub(crate) async fn a_session_that_runs_is_given_a_later_deadline_and_ends_by_it(world: impl World) {
    let session = run(&world, named("mine")).await;
    let longer = session.spec.deadline + HOUR;
    let changed = extend(&world, &session.id, spans(Some(longer), Some(DAY))).await;
    let Extended::Changed(changed) = changed else { panic!("{changed:?}") };
    assert_eq!((changed.spec.deadline, changed.spec.idle), (longer, DAY));
    assert_eq!(changed.spec.env, session.spec.env);
    assert_eq!(find(&world, session.life()).await, changed);
    world.advance(session.spec.deadline + MINUTE);
    assert_eq!(ended(&world).await, []);
    world.advance(HOUR);
    assert_eq!(ended(&world).await, [EndReason::Deadline]);
    assert_eq!(extend(&world, &session.id, spans(Some(DAY), None)).await, Extended::Ended);
}

pub(crate) async fn a_session_that_starts_is_given_a_deadline_that_counts_from_running(world: impl World) {
    let session = start(&world, new()).await;
    let changed = extend(&world, &session.id, spans(Some(MINUTE), None)).await;
    let Extended::Changed(changed) = changed else { panic!("{changed:?}") };
    assert_eq!((changed.spec.deadline, changed.spec.idle), (MINUTE, session.spec.idle));
    world.advance(2 * MINUTE);
    assert!(world.store().running(session.life(), podling_session::session::Isolation::Full).await.expect("answers"));
    assert_eq!(ended(&world).await, []);
    world.advance(MINUTE);
    assert_eq!(ended(&world).await, [EndReason::Deadline]);
}

pub(crate) async fn sessions_of_others_are_not_extended(world: impl World) {
    let session = run(&world, new()).await;
    for stranger in [owner("acme", "bob"), owner("other", "alice")] {
        let outcome = world.store().extend(&stranger.into(), &session.id, spans(Some(MINUTE), None)).await;
        assert_eq!(outcome.expect("the store answers"), Extended::NotFound);
    }
    assert_eq!(find(&world, session.life()).await, session);
}

async fn ended(world: &impl World) -> Vec<EndReason> {
    // Silence is no matter here.
    let swept = world.store().sweep(30 * DAY, 30 * DAY).await.expect("the store answers");
    swept.ended.iter().map(|(_, end)| end.reason).collect()
}
