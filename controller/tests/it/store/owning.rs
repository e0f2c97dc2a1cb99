//! What owners see of their sessions, and others do not.

use std::collections::BTreeMap;

use podling_session::{
    id::Uid,
    phase::{End, EndReason},
    principal::Reach,
    session::Release,
    spec::{MAX_LABELS, Spec},
    store::{Filter, NewSession},
};

use super::world::*;

pub(crate) async fn sessions_of_others_are_not_found(world: impl World) {
    let made = create(&world, named("mine")).await;
    let store = world.store();
    let strangers = [owner("acme", "bob").into(), owner("other", "alice").into(), Reach::Tenant(tenant("other"))];
    for stranger in strangers {
        for id in [id("mine"), made.uid.into()] {
            assert_eq!(store.get(&stranger, &id).await.expect("the store answers"), None);
            assert_eq!(store.stop(&stranger, &id, stopped()).await.expect("the store answers"), None);
            assert_eq!(store.delete(&stranger, &id, stopped()).await.expect("the store answers"), None);
        }
        let page = store.list(&stranger, &Filter::default(), None, 10).await.expect("the store answers");
        assert!(page.sessions.is_empty() && page.next.is_none());
    }
    assert_eq!(find(&world, made.life()).await, made);
}

pub(crate) async fn an_admin_of_the_tenant_reaches_the_sessions_of_all_its_owners(world: impl World) {
    let made = create(&world, named("mine")).await;
    let others = create(&world, NewSession { owner: owner("acme", "bob"), ..named("his") }).await;
    create(&world, NewSession { owner: owner("other", "alice"), ..named("mine") }).await;
    let (store, acme) = (world.store(), Reach::Tenant(tenant("acme")));
    let page = store.list(&acme, &Filter::default(), None, 10).await.expect("the store answers");
    assert_eq!(page.sessions, [others.clone(), made.clone()]);
    for (name, session) in [("mine", &made), ("his", &others)] {
        for id in [id(name), session.uid.into()] {
            assert_eq!(store.get(&acme, &id).await.expect("the store answers").as_ref(), Some(session));
        }
    }
    let ended = store.stop(&acme, &id("his"), stopped()).await.expect("the store answers").expect("it is in reach");
    assert_eq!((ended.uid, reason(&ended)), (others.uid, Some(EndReason::Stopped)));
    assert!(store.delete(&acme, &id("mine"), stopped()).await.expect("the store answers").is_some());
    assert_eq!(store.get(&own(), &id("mine")).await.expect("the store answers"), None);
}

pub(crate) async fn an_owner_stops_a_session_once(world: impl World) {
    let made = run(&world, named("mine")).await;
    let store = world.store();
    let ended = store.stop(&own(), &made.id, stopped()).await.expect("the store answers").expect("it is Alice's");
    assert_eq!((reason(&ended), ended.release), (Some(EndReason::Stopped), Release::Held));
    let again = store.stop(&own(), &made.id, End::because(EndReason::Admin)).await.expect("the store answers");
    assert_eq!(again, Some(ended));
    assert_eq!(store.sealed(made.uid).await.expect("the store answers").expect("it is there").secrets, None);
}

pub(crate) async fn a_deleted_session_is_hidden_and_its_id_free(world: impl World) {
    let made = create(&world, named("mine")).await;
    let store = world.store();
    let hidden = store.delete(&own(), &made.id, stopped()).await.expect("the store answers").expect("it is Alice's");
    assert!(hidden.deleted_at.is_some() && reason(&hidden) == Some(EndReason::Stopped));
    for id in [made.id.clone(), made.uid.into()] {
        assert_eq!(store.get(&own(), &id).await.expect("the store answers"), None);
        assert_eq!(store.stop(&own(), &id, stopped()).await.expect("the store answers"), None);
        assert_eq!(store.delete(&own(), &id, stopped()).await.expect("the store answers"), None);
    }
    assert!(store.list(&own(), &Filter::default(), None, 9).await.expect("the store answers").sessions.is_empty());
    // It is released behind its owner's back, beside its successor.
    let next = create(&world, named("mine")).await;
    assert_eq!(store.get(&own(), &id("mine")).await.expect("the store answers"), Some(next));
    assert!(release(&world, made.life()).await);
}

pub(crate) async fn deleting_keeps_the_end_that_was(world: impl World) {
    let made = run(&world, named("mine")).await;
    world.store().end(made.life(), &End::exit(3)).await.expect("the store answers");
    let hidden = world.store().delete(&own(), &made.id, stopped()).await.expect("the store answers");
    assert_eq!(hidden.expect("it is Alice's").phase.end(), Some(&End::exit(3)));
}

async fn list(world: &impl World, filter: &Filter) -> Vec<Uid> {
    let page = world.store().list(&own(), filter, None, 100).await.expect("the store answers");
    page.sessions.iter().map(|session| session.uid).collect()
}

pub(crate) async fn pages_hold_every_session_once_the_youngest_first(world: impl World) {
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(create(&world, new()).await.uid);
    }
    made.reverse();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = world.store().list(&own(), &Filter::default(), after, 3).await.expect("the store answers");
        seen.extend(page.sessions.iter().map(|session| session.uid));
        pages += 1;
        // A session that comes in between belongs to no later page.
        create(&world, new()).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (made, 3));
}

pub(crate) async fn the_last_page_names_no_next(world: impl World) {
    for _ in 0..3 {
        create(&world, new()).await;
    }
    let page = world.store().list(&own(), &Filter::default(), None, 3).await.expect("the store answers");
    assert_eq!((page.sessions.len(), page.next), (3, None));
}

fn labelled(labels: &[(&str, &str)]) -> NewSession {
    NewSession { spec: Spec { labels: map(labels), ..spec() }, ..new() }
}

fn map(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) async fn lists_are_filtered_by_phase_and_by_every_label(world: impl World) {
    let red = create(&world, labelled(&[("colour", "red"), ("size", "1")])).await;
    let blue = start(&world, labelled(&[("colour", "blue"), ("size", "1")])).await;
    let plain = run(&world, new()).await;
    let by_phase = |name: &str| Filter { phase: Some(name.to_owned()), ..Filter::default() };
    for (phase, uid) in [("pending", red.uid), ("starting", blue.uid), ("running", plain.uid)] {
        assert_eq!(list(&world, &by_phase(phase)).await, [uid], "{phase}");
    }
    assert!(list(&world, &by_phase("ended")).await.is_empty());
    let by_label = |labels: &[(&str, &str)]| Filter { labels: map(labels), ..Filter::default() };
    assert_eq!(list(&world, &by_label(&[("size", "1")])).await, [blue.uid, red.uid]);
    assert_eq!(list(&world, &by_label(&[("size", "1"), ("colour", "red")])).await, [red.uid]);
    assert!(list(&world, &by_label(&[("size", "red")])).await.is_empty());
    let both = Filter { labels: map(&[("size", "1")]), ..by_phase("starting") };
    assert_eq!(list(&world, &both).await, [blue.uid]);
    let many: Vec<_> = (0..MAX_LABELS).map(|number| format!("key{number}")).collect();
    let many: Vec<_> = many.iter().map(|key| (key.as_str(), "x")).collect();
    let all = create(&world, labelled(&many)).await;
    assert_eq!(list(&world, &by_label(&many)).await, [all.uid]);
}
