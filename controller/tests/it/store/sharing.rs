//! Links that let others in.

use std::{sync::Arc, time::Duration};

use podling_session::{
    id::Uid,
    share::{NewShare, ShareId, ShareStore},
    token::Scope,
};
use tokio::task::JoinSet;

use super::world::*;

const HASH: [u8; 32] = [7; 32];

fn link(max_uses: u32, life: Duration) -> NewShare {
    let (id, scope) = (ShareId::random(), Scope::ReadOnly);
    NewShare { id, hash: HASH, scope, name: Some("Ada".into()), max_uses, life }
}

async fn share(world: &impl World, session: Uid, new: NewShare) -> ShareId {
    world.store().share(session, new).await.expect("the store answers").expect("room for it").id
}

async fn redeems(world: &impl World, id: ShareId, hash: [u8; 32]) -> bool {
    world.store().redeem(id, hash).await.expect("the store answers").is_some()
}

pub(crate) async fn a_use_of_a_link_is_taken_once_and_only_while_it_is_good(world: impl World) {
    let session = create(&world, new()).await;
    let id = share(&world, session.uid, link(2, HOUR)).await;
    assert!(!redeems(&world, ShareId::random(), HASH).await);
    assert!(!redeems(&world, id, [8; 32]).await);
    let redeemed = world.store().redeem(id, HASH).await.expect("the store answers").expect("it is good");
    assert_eq!((redeemed.session, redeemed.owner, redeemed.scope), (session.uid, alice(), Scope::ReadOnly));
    assert_eq!(redeemed.name.as_deref(), Some("Ada"));
    assert!(redeems(&world, id, HASH).await);
    assert!(!redeems(&world, id, HASH).await, "it is used up");
    let late = share(&world, session.uid, link(2, MINUTE)).await;
    world.advance(MINUTE);
    assert!(!redeems(&world, late, HASH).await, "it has expired");
    let last = share(&world, session.uid, link(2, HOUR)).await;
    world.store().delete(&alice().into(), &session.id, stopped()).await.expect("the store answers");
    assert!(!redeems(&world, last, HASH).await, "the session is gone");
    assert!(world.store().share(session.uid, link(1, HOUR)).await.expect("the store answers").is_none());
}

pub(crate) async fn of_20_redeemers_at_once_as_many_get_in_as_there_are_uses(world: impl World) {
    let session = create(&world, new()).await;
    let id = share(&world, session.uid, link(3, HOUR)).await;
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(world.store());
        racers.spawn(async move { store.redeem(id, HASH).await.expect("the store answers").is_some() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|redeemed| *redeemed).count(), 3);
    assert_eq!(world.store().shares(session.uid).await.expect("the store answers")[0].uses, 3);
}

pub(crate) async fn a_revocation_is_told_once_and_stays(world: impl World) {
    let (session, other) = (create(&world, new()).await, create(&world, new()).await);
    let (id, kept) = (share(&world, session.uid, link(9, HOUR)).await, share(&world, session.uid, link(9, HOUR)).await);
    let store = world.store();
    assert!(store.revoke_share(other.uid, id).await.expect("the store answers").is_none(), "of another session");
    let revoked = store.revoke_share(session.uid, id).await.expect("the store answers").expect("it is there");
    assert!(revoked.revoked_at.is_some());
    world.advance(MINUTE);
    assert_eq!(store.revoke_share(session.uid, id).await.expect("the store answers"), Some(revoked));
    assert!(!redeems(&world, id, HASH).await);
    assert!(redeems(&world, kept, HASH).await);
    assert_eq!(store.revoked_shares(session.uid).await.expect("the store answers"), [id]);
    let events = store.events(session.uid, 0).await.expect("the store answers");
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["session.created", "share.created", "share.created", "share.revoked"]);
}

pub(crate) async fn a_session_has_at_most_256_links(world: impl World) {
    let session = create(&world, new()).await;
    for _ in 0..256 {
        share(&world, session.uid, link(1, MINUTE)).await;
    }
    let more = world.store().share(session.uid, link(1, MINUTE)).await.expect("the store answers");
    assert!(more.is_none());
}
