//! What a claimed runner is told, and when.

use std::sync::Arc;

use async_trait::async_trait;
use podling_controller::{
    core::Core,
    sessions::{self, Request},
    store::Store,
};
use podling_proto::control::order;
use podling_session::{
    event::{Cursor, Tidings},
    id::{SessionId, Slot, Uid},
    phase::End,
    principal::{Principal, Reach},
    session::Session,
    spec::{Draft, Spans},
    store::{Created, Extended, Filter, NewSession, Page, SessionStore, StoreError, SystemStore},
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{controlling::Line, world::World};

/// A store on a disk that is done when a test says so.
struct SlowDisk {
    store: Arc<Store>,
    done: Semaphore,
}

#[async_trait]
impl SessionStore for SlowDisk {
    async fn tidings(
        &self,
        reach: &Reach,
        of: Option<Uid>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Tidings, StoreError> {
        self.store.tidings(reach, of, after, limit).await
    }

    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.store.create(new).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let _done = self.done.acquire().await.expect("it is never closed");
        self.store.flush().await
    }

    async fn get(&self, reach: &Reach, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.store.get(reach, id).await
    }

    async fn list(&self, reach: &Reach, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, StoreError> {
        self.store.list(reach, filter, after, limit).await
    }

    async fn stop(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        self.store.stop(reach, id, end).await
    }

    async fn extend(&self, reach: &Reach, id: &SessionId, spans: Spans) -> Result<Extended, StoreError> {
        self.store.extend(reach, id, spans).await
    }

    async fn delete(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        self.store.delete(reach, id, end).await
    }
}

/// The credential of a registered runner of the pool.
async fn warm(world: &World) -> String {
    let slot = Slot::new().launch_name();
    let runner = world.core.seal.runner_id(&slot);
    world.store.pool(runner, &slot).await.expect("the store answers");
    let registered = world.runners().register(world.registration(runner, b"certificate")).await;
    registered.expect("registered").into_inner().credential
}

#[tokio::test]
async fn a_claimed_runner_starts_while_the_disk_writes_and_the_caller_hears_of_it_after() {
    let world = World::start().await;
    let mut line = Line::open(&world, &warm(&world).await).await;
    assert!(matches!(line.order().await, Some(order::Order::Beat(_))), "it waits");
    let disk = Arc::new(SlowDisk { store: world.store.clone(), done: Semaphore::new(0) });
    let core = Core { sessions: disk.clone(), ..world.core.clone() };
    let mut creating = JoinSet::new();
    creating.spawn(async move {
        let draft = Draft { command: Some("true".into()), ..Draft::default() };
        let request = Request { id: None, draft, idempotency: None };
        sessions::create(&core, &Principal::local_owner(), request).await.outcome
    });
    let Some(order::Order::Assign(assign)) = line.order().await else { panic!("not assigned") };
    assert!(creating.try_join_next().is_none(), "nobody hears of a session that a power failure may undo");
    disk.done.add_permits(1);
    let ticket = creating.join_next().await.expect("it was spawned").expect("no panic").expect("created");
    assert_eq!(ticket.session.uid.to_string(), assign.uid);
}
