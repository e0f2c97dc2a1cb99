//! What operators see.

use podling_session::operator::{GatewayReport, Wanted};

use super::world::*;

async fn found(world: &impl World, wanted: Wanted) -> Vec<podling_session::id::Uid> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = world.store().all_sessions(&wanted, after, 2).await.expect("the store answers");
        assert!(page.sessions.len() <= 2);
        seen.extend(page.sessions.iter().map(|session| session.uid));
        match page.next {
            Some(next) => after = Some(next),
            None => return seen,
        }
    }
}

pub(crate) async fn operators_find_sessions_of_all_tenants_by_what_they_ask_for(world: impl World) {
    let first = create(&world, named("first")).await;
    let mut labelled = new();
    labelled.owner = owner("other", "bob");
    labelled.spec.labels = [("a".to_owned(), "b".to_owned())].into();
    let bobs = create(&world, labelled).await;
    let last = run(&world, new()).await;
    let gone = create(&world, named("gone")).await;
    world.store().delete(&gone.owner.clone().into(), &id("gone"), stopped()).await.expect("the store answers");
    let all = Wanted::default;
    let check = async |wanted: Wanted, expected: &[&podling_session::session::Session]| {
        let expected: Vec<_> = expected.iter().map(|session| session.uid).collect();
        assert_eq!(found(&world, wanted.clone()).await, expected, "{wanted:?}");
    };
    check(all(), &[&last, &bobs, &first]).await;
    check(Wanted { deleted: true, ..all() }, &[&gone, &last, &bobs, &first]).await;
    check(Wanted { tenant: Some(bobs.owner.tenant.to_string()), ..all() }, &[&bobs]).await;
    check(Wanted { subject: Some("alice".into()), ..all() }, &[&last, &first]).await;
    check(Wanted { phase: Some("running".into()), ..all() }, &[&last]).await;
    check(Wanted { labels: [("a".to_owned(), "b".to_owned())].into(), ..all() }, &[&bobs]).await;
    check(Wanted { id: Some("first".into()), ..all() }, &[&first]).await;
    check(Wanted { id: Some("first".into()), subject: Some("bob".into()), ..all() }, &[]).await;
}

pub(crate) async fn everything_is_counted(world: impl World) {
    let store = world.store();
    assert_eq!(store.counts().await.expect("the store answers"), Default::default());
    let running = run(&world, new()).await;
    let ended = start(&world, podling_session::store::NewSession { owner: owner("other", "bob"), ..new() }).await;
    assert!(end(&world, ended.life()).await && release(&world, ended.life()).await);
    create(&world, new()).await;
    let watched = podling_session::store::Beat { viewers: 3, ..quiet(SECOND) };
    assert!(beat(&world, running.life(), watched).await);
    let counts = store.counts().await.expect("the store answers");
    let phases = [("ended", 1), ("pending", 1), ("running", 1)].map(|(name, number)| (name.to_owned(), number));
    assert_eq!(counts.sessions, phases.into());
    assert_eq!((counts.held, counts.viewers, counts.tenants, counts.warm_runners), (2, 3, 2, 0));
}

pub(crate) async fn a_gateway_is_told_to_drain_as_long_as_it_reports(world: impl World) {
    let store = world.store();
    let report = |id: &str, embedded| GatewayReport {
        id: id.into(),
        address: "127.0.0.1:1".into(),
        viewers: 1,
        draining: false,
        embedded,
        version: "1".into(),
    };
    let reports = async |id, embedded| store.gateway_reports(&report(id, embedded)).await.expect("the store answers");
    let drain = async |id| store.drain_gateway(id, MINUTE).await.expect("the store answers");
    assert!(!reports("one", false).await && !reports("two", true).await);
    assert!(drain("two").await.is_none() && drain("three").await.is_none());
    let told = drain("one").await.expect("it reports");
    assert_eq!(drain("one").await.expect("it stays").drain_ordered_at, told.drain_ordered_at);
    assert!(reports("one", false).await && !reports("two", true).await);
    world.advance(2 * MINUTE);
    assert!(drain("one").await.is_none());
    assert!(!reports("two", true).await);
    let seen = store.gateways(MINUTE).await.expect("the store answers");
    assert_eq!(seen.iter().map(|gateway| &*gateway.report.id).collect::<Vec<_>>(), ["two"]);
}
