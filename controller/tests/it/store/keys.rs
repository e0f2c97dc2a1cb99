//! API keys.

use podling_session::{
    principal::{Role, Tenant},
    scopes::Scopes,
    store::{KeyRow, NewKey},
};

use super::world::*;

pub(crate) fn new_key(id: &str) -> NewKey {
    NewKey {
        id: id.to_owned(),
        hash: [1; 32],
        owner: alice(),
        role: Role::User,
        scopes: Scopes::READ | Scopes::WRITE,
        name: "nightly".to_owned(),
        life: None,
    }
}

async fn add(world: &impl World, key: NewKey) -> KeyRow {
    world.store().add_key(&key, 1_000).await.expect("the store answers").expect("there is room")
}

async fn row(world: &impl World, id: &str) -> KeyRow {
    world.store().key(id).await.expect("the store answers").expect("it is there")
}

async fn listed(world: &impl World, of: Option<&Tenant>) -> Vec<String> {
    let page = world.store().keys(of, None, 100).await.expect("the store answers");
    page.keys.into_iter().map(|key| key.id).collect()
}

pub(crate) async fn the_first_key_is_added_once(world: impl World) {
    let store = world.store();
    assert_eq!(store.key("one").await.expect("the store answers"), None);
    let first = NewKey { role: Role::Operator, scopes: Scopes::of(Role::Operator), ..new_key("one") };
    assert!(store.add_first_key(&first).await.expect("the store answers"));
    assert!(!store.add_first_key(&NewKey { hash: [2; 32], ..first.clone() }).await.expect("the store answers"));
    assert!(!store.add_first_key(&new_key("two")).await.expect("the store answers"));
    let key = row(&world, "one").await;
    assert_eq!((key.id.as_str(), key.hash, key.role), ("one", [1; 32], Role::Operator));
    assert_eq!((key.owner, key.scopes, key.name.as_str()), (alice(), first.scopes, "nightly"));
    assert_eq!((key.old, key.expires_at, key.last_used_at, key.revoked_at), (None, None, None, None));
    assert_eq!(store.key("two").await.expect("the store answers"), None);
}

pub(crate) async fn a_tenant_lists_its_own_keys_in_pages_and_operators_list_all(world: impl World) {
    for id in ["c", "a", "b"] {
        add(&world, new_key(id)).await;
    }
    add(&world, NewKey { owner: owner("other", "alice"), ..new_key("d") }).await;
    let (store, acme) = (world.store(), tenant("acme"));
    assert_eq!(listed(&world, Some(&acme)).await, ["a", "b", "c"]);
    assert_eq!(listed(&world, Some(&tenant("other"))).await, ["d"]);
    assert_eq!(listed(&world, None).await, ["a", "b", "c", "d"]);
    let first = store.keys(Some(&acme), None, 2).await.expect("the store answers");
    assert_eq!((first.keys.len(), first.next.as_deref()), (2, Some("b")));
    let last = store.keys(Some(&acme), Some("b"), 2).await.expect("the store answers");
    assert_eq!((last.keys.len(), last.next), (1, None));
}

pub(crate) async fn a_tenant_has_as_many_keys_as_may_be_and_those_that_are_over_do_not_count(world: impl World) {
    let store = world.store();
    let add = async |key: NewKey| store.add_key(&key, 2).await.expect("the store answers").is_some();
    assert!(add(NewKey { life: Some(MINUTE), ..new_key("a") }).await);
    assert!(add(new_key("b")).await);
    assert!(!add(new_key("c")).await);
    assert!(add(NewKey { owner: owner("other", "alice"), ..new_key("d") }).await);
    world.advance(MINUTE);
    assert!(add(new_key("c")).await);
    assert!(!add(new_key("e")).await);
    store.revoke_key(None, "b").await.expect("the store answers").expect("it is there");
    assert!(add(new_key("e")).await);
}

pub(crate) async fn a_key_is_revoked_once_and_by_its_own_tenant_or_operators(world: impl World) {
    let (store, acme, other) = (world.store(), tenant("acme"), tenant("other"));
    add(&world, new_key("a")).await;
    assert_eq!(store.revoke_key(Some(&other), "a").await.expect("the store answers"), None);
    assert_eq!(store.revoke_key(None, "b").await.expect("the store answers"), None);
    assert_eq!(row(&world, "a").await.revoked_at, None);
    let revoked = store.revoke_key(Some(&acme), "a").await.expect("the store answers").expect("it is theirs");
    assert!(revoked.revoked_at.is_some());
    world.advance(SECOND);
    assert_eq!(store.revoke_key(None, "a").await.expect("the store answers"), Some(revoked));
}

pub(crate) async fn a_rotated_key_has_two_secrets_for_a_while(world: impl World) {
    let (store, acme, other) = (world.store(), tenant("acme"), tenant("other"));
    let made = add(&world, new_key("a")).await;
    assert_eq!(store.rotate_key(Some(&other), "a", [2; 32], HOUR).await.expect("the store answers"), None);
    let key = store.rotate_key(Some(&acme), "a", [2; 32], HOUR).await.expect("the store answers").expect("theirs");
    let old = key.old.expect("the one before is good as well");
    assert_eq!((key.hash, old.hash, made.hash), ([2; 32], [1; 32], [1; 32]));
    let left = old.until.duration_since(made.created_at).as_secs();
    assert!((3_600..3_660).contains(&left), "{left}");
    let key = store.rotate_key(None, "a", [3; 32], HOUR).await.expect("the store answers").expect("it is there");
    assert_eq!((key.hash, key.old.map(|old| old.hash)), ([3; 32], Some([2; 32])));
    let revoked = store.revoke_key(None, "a").await.expect("the store answers").expect("it is there");
    assert_eq!(revoked.old, None);
}

pub(crate) async fn a_key_that_is_over_gets_no_other_secret(world: impl World) {
    let store = world.store();
    let life = Some(MINUTE);
    add(&world, NewKey { life, ..new_key("a") }).await;
    add(&world, new_key("b")).await;
    store.revoke_key(None, "b").await.expect("the store answers").expect("it is there");
    world.advance(MINUTE);
    for id in ["a", "b", "c"] {
        assert_eq!(store.rotate_key(None, id, [2; 32], HOUR).await.expect("the store answers"), None, "{id}");
    }
}

pub(crate) async fn the_last_use_of_keys_is_noted(world: impl World) {
    for id in ["a", "b", "c"] {
        add(&world, new_key(id)).await;
    }
    world.advance(HOUR);
    let used = ["a".to_owned(), "c".to_owned(), "unknown".to_owned()];
    world.store().keys_used(&used).await.expect("the store answers");
    let (a, b) = (row(&world, "a").await, row(&world, "b").await);
    let at = a.last_used_at.expect("it was used").duration_since(a.created_at).as_secs();
    assert!((3_600..3_660).contains(&at), "{at}");
    assert_eq!(b.last_used_at, None);
}

pub(crate) async fn keys_that_are_over_are_forgotten_after_a_month(world: impl World) {
    let store = world.store();
    let sweep = async || store.sweep(HOUR, HOUR).await.expect("the store answers");
    add(&world, NewKey { life: Some(DAY), ..new_key("expiring") }).await;
    add(&world, new_key("good")).await;
    add(&world, new_key("revoked")).await;
    store.revoke_key(None, "revoked").await.expect("the store answers").expect("it is there");
    world.advance(DAY * 30 - HOUR);
    sweep().await;
    assert_eq!(listed(&world, None).await, ["expiring", "good", "revoked"]);
    world.advance(HOUR);
    sweep().await;
    assert_eq!(listed(&world, None).await, ["expiring", "good"]);
    world.advance(DAY);
    sweep().await;
    assert_eq!(listed(&world, None).await, ["good"]);
}
