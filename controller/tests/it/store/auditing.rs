//! The audit.

use std::{net::IpAddr, time::Duration};

use podling_session::{
    audit::{Action, Actor, AuditFilter, Entry, Outcome, Record},
    event::Cursor,
    id::Uid,
    principal::{Owner, Role},
};
use tokio::time::Instant;

use super::world::*;

fn actor(owner: Owner) -> Actor {
    Actor { owner, role: Role::User, source: "api-key".into() }
}

/// Appends them, and waits until they are told: on a server of others as well, what they are just writing holds it back.
async fn append(world: &impl World, entries: impl IntoIterator<Item = Entry>) {
    let entries: Vec<_> = entries.into_iter().map(|entry| (Duration::ZERO, entry)).collect();
    let before = list(world, &AuditFilter::default(), Cursor::default(), 1_000).await.len();
    world.store().append(&entries).await.expect("the store answers");
    let deadline = Instant::now() + 10 * SECOND;
    while list(world, &AuditFilter::default(), Cursor::default(), 1_000).await.len() < before + entries.len() {
        assert!(Instant::now() < deadline, "{} entries are not told", entries.len());
    }
}

async fn list(world: &impl World, filter: &AuditFilter, after: Cursor, limit: u32) -> Vec<Record> {
    world.store().audit(filter, after, limit).await.expect("the store answers")
}

pub(crate) async fn entries_are_told_in_order_and_page_by_page(world: impl World) {
    let numbered = |number: u64| Entry { count: number, ..Entry::done(Action::SessionCreate) };
    append(&world, (1..=40).map(numbered)).await;
    append(&world, (41..=50).map(numbered)).await;
    let (mut cursor, mut seen) = (Cursor::default(), Vec::new());
    loop {
        let page = list(&world, &AuditFilter::default(), cursor, 7).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7 && last.cursor > cursor);
        cursor = last.cursor;
        seen.extend(page.into_iter().map(|record| record.entry.count));
    }
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

pub(crate) async fn what_is_asked_for_is_found_and_nothing_else(world: impl World) {
    let (uid, address): (_, IpAddr) = (Uid::new(), "2001:db8::1".parse().expect("an address"));
    let whole = Entry {
        request_id: Some("r-1".into()),
        ..Entry::done(Action::SessionCreate).by(actor(alice())).on(uid).from(Some(address)).detail("cold")
    };
    let refused = Entry { count: 9, ..Entry::refused(Action::AuthRefuse, "invalid-key") };
    let other = Entry::done(Action::KeyCreate).by(actor(owner("other", "bob")));
    append(&world, [whole.clone(), refused.clone()]).await;
    let between = world.store().ping().await.expect("the store answers") + MINUTE;
    world.advance(HOUR);
    append(&world, [other.clone()]).await;
    let check = async |filter: AuditFilter, expected: &[&Entry]| {
        let found = list(&world, &filter, Cursor::default(), 10).await;
        let found: Vec<_> = found.iter().map(|record| &record.entry).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let filter = AuditFilter::default;
    check(filter(), &[&whole, &refused, &other]).await;
    check(AuditFilter { action: Some(Action::AuthRefuse), ..filter() }, &[&refused]).await;
    check(AuditFilter { outcome: Some(Outcome::Done), ..filter() }, &[&whole, &other]).await;
    check(AuditFilter { tenant: Some(alice().tenant.to_string()), ..filter() }, &[&whole]).await;
    check(AuditFilter { subject: Some("bob".into()), ..filter() }, &[&other]).await;
    check(AuditFilter { session: Some(uid), ..filter() }, &[&whole]).await;
    check(AuditFilter { since: Some(between), ..filter() }, &[&other]).await;
    check(AuditFilter { until: Some(between), ..filter() }, &[&whole, &refused]).await;
    check(AuditFilter { session: Some(uid), subject: Some("bob".into()), ..filter() }, &[]).await;
}

pub(crate) async fn an_entry_outlives_its_session_until_it_is_old(world: impl World) {
    let store = world.store();
    append(&world, [Entry::done(Action::SessionDelete).on(Uid::new())]).await;
    world.advance(DAY);
    append(&world, [Entry::done(Action::SessionCreate)]).await;
    assert_eq!(store.forget_audit(DAY + HOUR).await.expect("the store answers"), 0);
    assert_eq!(store.forget_audit(HOUR).await.expect("the store answers"), 1);
    let left = list(&world, &AuditFilter::default(), Cursor::default(), 10).await;
    assert_eq!(left.iter().map(|record| record.entry.action).collect::<Vec<_>>(), [Action::SessionCreate]);
}
