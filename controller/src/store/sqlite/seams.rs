//! The traits of the domain on [`SqliteStore`]: each method is one transaction of the module that knows its rows.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use podling_session::{
    event::Event,
    id::{Incarnation, LaunchName, RunnerId, SessionId, Uid},
    phase::{End, Stage},
    principal::{Owner, Role},
    session::{Isolation, Session},
    store::{
        Beat, Created, Filter, Held, KeyRow, NewSession, Page, PrincipalStore, RunnerRow, Sealed, SegmentRow,
        SessionStore, StoreError, Swept, SystemStore, Waiting, Work,
    },
};

use super::{
    SqliteStore,
    clock::{millis, timestamp},
    events, keys, leases, phases, runners, segments, sessions, sweep,
};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.hint(move |tx| sessions::create(tx, &new)).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.sync().await
    }

    async fn get(&self, owner: &Owner, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.read(move |tx| sessions::get(tx, &owner, &id)).await
    }

    async fn list(&self, owner: &Owner, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, StoreError> {
        let (owner, filter) = (owner.clone(), filter.clone());
        self.read(move |tx| sessions::list(tx, &owner, &filter, after, limit)).await
    }

    async fn stop(&self, owner: &Owner, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.promise(move |tx| sessions::stop(tx, &owner, &id, &end)).await
    }

    async fn delete(&self, owner: &Owner, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.promise(move |tx| sessions::delete(tx, &owner, &id, &end)).await
    }
}

#[async_trait]
impl SystemStore for SqliteStore {
    async fn ping(&self) -> Result<Timestamp, StoreError> {
        timestamp(self.read(|tx| Ok(tx.now)).await?)
    }

    async fn find(&self, uid: Uid) -> Result<Option<Session>, StoreError> {
        self.read(move |tx| phases::find(tx, uid)).await
    }

    async fn sealed(&self, uid: Uid) -> Result<Option<Sealed>, StoreError> {
        self.read(move |tx| phases::sealed(tx, uid)).await
    }

    async fn claim_work(&self, lease: Duration) -> Result<Option<Work>, StoreError> {
        self.hint(move |tx| leases::claim(tx, lease)).await
    }

    async fn yield_work(&self, uid: Uid, again: Duration) -> Result<(), StoreError> {
        self.hint(move |tx| leases::give_back(tx, uid, again)).await
    }

    async fn launched(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError> {
        self.promise(move |tx| phases::launched(tx, life, runner)).await
    }

    async fn runner(&self, id: RunnerId) -> Result<Option<RunnerRow>, StoreError> {
        self.read(move |tx| runners::by_id(tx, id)).await
    }

    async fn runner_of(&self, life: Incarnation) -> Result<Option<RunnerRow>, StoreError> {
        self.read(move |tx| runners::by_life(tx, life)).await
    }

    async fn runner_at(&self, launch: &LaunchName) -> Result<Option<RunnerRow>, StoreError> {
        let launch = launch.clone();
        self.read(move |tx| runners::by_launch(tx, &launch)).await
    }

    async fn pool(&self, id: RunnerId, launch: &LaunchName) -> Result<(), StoreError> {
        let launch = launch.clone();
        self.hint(move |tx| runners::pool(tx, id, &launch)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(runners::waiting).await
    }

    async fn retire(&self, id: RunnerId) -> Result<bool, StoreError> {
        self.hint(move |tx| runners::retire(tx, id)).await
    }

    async fn forsake(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError> {
        self.promise(move |tx| phases::forsake(tx, life, runner)).await
    }

    async fn register(&self, id: RunnerId, certificate: &[u8], address: &str) -> Result<bool, StoreError> {
        let (certificate, address) = (certificate.to_vec(), address.to_owned());
        self.promise(move |tx| runners::register(tx, id, &certificate, &address)).await
    }

    async fn credential_used(&self, id: RunnerId) -> Result<(), StoreError> {
        self.promise(move |tx| runners::credential_used(tx, id)).await
    }

    async fn stage(&self, life: Incarnation, stage: Stage) -> Result<bool, StoreError> {
        self.hint(move |tx| phases::stage(tx, life, stage)).await
    }

    async fn running(&self, life: Incarnation, isolation: Isolation) -> Result<bool, StoreError> {
        self.promise(move |tx| phases::running(tx, life, isolation)).await
    }

    async fn end(&self, life: Incarnation, end: &End) -> Result<bool, StoreError> {
        let end = end.clone();
        self.promise(move |tx| phases::end(tx, life, &end)).await
    }

    async fn log_end(&self, life: Incarnation, end: u64) -> Result<(), StoreError> {
        self.hint(move |tx| phases::log_end(tx, life, end)).await
    }

    async fn beat(&self, life: Incarnation, beat: Beat) -> Result<bool, StoreError> {
        self.hint(move |tx| phases::beat(tx, life, beat)).await
    }

    async fn add_segment(&self, life: Incarnation, segment: SegmentRow, first_kept: u64) -> Result<(), StoreError> {
        self.hint(move |tx| segments::add(tx, life, segment, first_kept)).await
    }

    async fn segments(&self, life: Incarnation) -> Result<Vec<SegmentRow>, StoreError> {
        self.read(move |tx| segments::of(tx, life)).await
    }

    async fn release(&self, life: Incarnation) -> Result<bool, StoreError> {
        self.promise(move |tx| leases::release(tx, life)).await
    }

    async fn held(&self) -> Result<Vec<Held>, StoreError> {
        self.read(leases::held).await
    }

    async fn sweep(&self, keep_ended: Duration, silence: Duration) -> Result<Swept, StoreError> {
        let (watch, keep, silence) = (Arc::clone(&self.watch), millis(keep_ended), millis(silence));
        self.promise(move |tx| {
            let silent_since = watch.lock().unwrap_or_else(PoisonError::into_inner).sweep(tx.now, silence);
            sweep::sweep(tx, keep, silent_since)
        })
        .await
    }

    async fn note(&self, uid: Uid, kind: &str, detail: &str) -> Result<(), StoreError> {
        let (kind, detail) = (kind.to_owned(), detail.to_owned());
        self.hint(move |tx| events::note(tx, uid, &kind, &detail)).await
    }

    async fn events(&self, uid: Uid, after: u64) -> Result<Vec<Event>, StoreError> {
        self.read(move |tx| events::after(tx, uid, after)).await
    }

    /// Heard from the call on, and not only from the first poll: made before a caller reads, it misses nothing that
    /// happens after. Heartbeats are not told.
    fn changed<'life0, 'async_trait>(&'life0 self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.changed.notified())
    }
}

#[async_trait]
impl PrincipalStore for SqliteStore {
    async fn key(&self, id: &str) -> Result<Option<KeyRow>, StoreError> {
        let id = id.to_owned();
        self.read(move |tx| keys::by_id(tx, &id)).await
    }

    async fn add_first_key(&self, id: &str, hash: [u8; 32], owner: &Owner, role: Role) -> Result<bool, StoreError> {
        let (id, owner) = (id.to_owned(), owner.clone());
        self.promise(move |tx| keys::add_first(tx, &id, hash, &owner, role)).await
    }
}
