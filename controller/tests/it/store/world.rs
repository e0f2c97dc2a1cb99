//! What the contract of the stores is told against: a store, its clock, and the words that tests are written in.

use std::{sync::Arc, time::Duration};

pub(crate) use podling_session::quota::QuotaStore;
pub(crate) use podling_session::{
    audit::AuditStore,
    operator::OperatorStore,
    share::ShareStore,
    store::{PrincipalStore, SessionStore, SystemStore},
};
use podling_session::{
    id::{Incarnation, RunnerId, SessionId, Uid},
    phase::{End, EndReason, Phase},
    principal::{Owner, Reach, Tenant},
    session::{Isolation, Session},
    spec::{Draft, Policy, Spec},
    store::{Beat, Claim, Created, Idempotency, NewSession, Sealed, Work},
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One fresh store of some kind. Dropping it removes what it is made of.
pub(crate) trait World: Send + Sync {
    type Store: SessionStore
        + SystemStore
        + PrincipalStore
        + QuotaStore
        + ShareStore
        + AuditStore
        + OperatorStore
        + 'static;

    fn store(&self) -> &Arc<Self::Store>;

    /// Lets time pass in the store's clock.
    fn advance(&self, by: Duration);
}

pub(crate) fn tenant(name: &str) -> Tenant {
    format!("test:claim:{name}").parse().expect("a tenant")
}

pub(crate) fn owner(tenant: &str, subject: &str) -> Owner {
    Owner { tenant: self::tenant(tenant), subject: subject.into() }
}

pub(crate) fn alice() -> Owner {
    owner("acme", "alice")
}

/// Alice's sessions alone.
pub(crate) fn own() -> Reach {
    alice().into()
}

pub(crate) fn spec() -> Spec {
    let draft = Draft { command: Some("true".into()), ..Draft::default() };
    Spec::check(draft, &Policy::default()).expect("a bare command is enough").0
}

/// A session of Alice's, with a secret and ample quotas.
pub(crate) fn new() -> NewSession {
    let uid = Uid::new();
    NewSession {
        uid,
        id: uid.into(),
        owner: alice(),
        spec: spec(),
        sealed: Sealed { key: b"key".to_vec(), secrets: Some(b"secrets".to_vec()) },
        idempotency: None,
        max_per_owner: 1_000,
        max_per_tenant: 1_000,
        max_stored_bytes: 1 << 40,
        max_tenant_stored_bytes: 1 << 40,
        warm: Vec::new(),
    }
}

pub(crate) fn named(id: &str) -> NewSession {
    NewSession { id: self::id(id), ..new() }
}

pub(crate) fn id(text: &str) -> SessionId {
    text.parse().expect("an id")
}

pub(crate) fn repeatable(key: &str, body: u8) -> Option<Idempotency> {
    Some(Idempotency { key: key.to_owned(), body_hash: [body; 32] })
}

pub(crate) fn stopped() -> End {
    End::because(EndReason::Stopped)
}

pub(crate) fn quiet(idle_for: Duration) -> Beat {
    Beat { idle_for, viewers: 0, log_end: 0 }
}

pub(crate) fn runner_id(life: Incarnation) -> RunnerId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&life.uid.simple().as_bytes()[16..]);
    RunnerId::from_mac(bytes)
}

/// Creates it, whatever stands in the way.
pub(crate) async fn create(world: &impl World, new: NewSession) -> Session {
    match world.store().create(new).await.expect("the store answers") {
        Created::New(session) => session,
        other => panic!("not created: {other:?}"),
    }
}

/// Brings a new session to Starting.
pub(crate) async fn start(world: &impl World, new: NewSession) -> Session {
    let life = create(world, new).await.life();
    assert!(world.store().launched(life, runner_id(life)).await.expect("the store answers"));
    find(world, life).await
}

/// Brings a new session to Running, with a runner that has registered.
pub(crate) async fn run(world: &impl World, new: NewSession) -> Session {
    let life = start(world, new).await.life();
    let store = world.store();
    assert!(store.register(runner_id(life), b"certificate", "unix:/runner").await.expect("the store answers"));
    assert!(store.running(life, Isolation::Full).await.expect("the store answers"));
    find(world, life).await
}

pub(crate) async fn find(world: &impl World, life: Incarnation) -> Session {
    world.store().find(life.uid).await.expect("the store answers").expect("it is there")
}

pub(crate) async fn end(world: &impl World, life: Incarnation) -> bool {
    world.store().end(life, &stopped()).await.expect("the store answers")
}

pub(crate) async fn release(world: &impl World, life: Incarnation) -> bool {
    world.store().release(life).await.expect("the store answers")
}

/// Claims for a minute.
pub(crate) async fn claim(world: &impl World) -> Option<Work> {
    claim_leased(world).await.map(|claim| claim.work)
}

pub(crate) async fn claim_leased(world: &impl World) -> Option<Claim> {
    world.store().claim_work(MINUTE).await.expect("the store answers")
}

/// Whether the session goes on.
pub(crate) async fn beat(world: &impl World, life: Incarnation, beat: Beat) -> bool {
    let over = world.store().beats(&[(life, beat)]).await.expect("the store answers");
    assert!(over.is_empty() || over == [life]);
    over.is_empty()
}

pub(crate) fn reason(session: &Session) -> Option<EndReason> {
    match &session.phase {
        Phase::Ended(end) => Some(end.reason),
        _ => None,
    }
}
