//! The traits of the domain on [`Store`]: each method is one transaction of the module that knows its rows.

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use podling_session::{
    audit::{AuditFilter, AuditStore, Entry, Record},
    event::{Cursor, Event, Feed, Tidings},
    id::{Incarnation, LaunchName, RunnerId, SessionId, Uid},
    operator::{Counts, GatewayReport, GatewayRow, OperatorStore, Wanted},
    phase::{End, Stage},
    principal::{Owner, Reach, Tenant},
    quota::{Overrides, QuotaOf, QuotaOverride, QuotaStore},
    session::{Isolation, Session},
    share::{NewShare, Redeemed, Share, ShareId, ShareStore},
    spec::Spans,
    store::{
        Beat, Claim, Created, Extended, Filter, Held, KeyRow, LeaseToken, NewKey, NewSession, Page, PrincipalStore,
        Roster, RunnerRow, Sealed, SegmentRow, SessionStore, StoreError, Swept, SystemStore, Waiting,
    },
};

use super::{
    Engine, Store, audit, beats,
    clock::{millis, timestamp},
    events, gateways, keys, leaders, leases, operator, overrides, phases, runners, segments, sessions, shares, sweep,
    tidings,
    tx::{Kind, Tx},
};

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        self.hint(async move |tx: &Tx<'_>| sessions::create(tx, &new).await).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.sync().await,
            Engine::Postgres(_) => Ok(()), // Every answer was given after the commit.
        }
    }

    async fn get(&self, reach: &Reach, id: &SessionId) -> Result<Option<Session>, StoreError> {
        let (reach, id) = (reach.clone(), id.clone());
        self.look(async move |tx: &Tx<'_>| sessions::get(tx, &reach, &id).await).await
    }

    async fn list(&self, reach: &Reach, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, StoreError> {
        let (reach, filter) = (reach.clone(), filter.clone());
        self.look(async move |tx: &Tx<'_>| sessions::list(tx, &reach, &filter, after, limit).await).await
    }

    async fn stop(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        let (reach, id) = (reach.clone(), id.clone());
        self.promise(async move |tx: &Tx<'_>| sessions::stop(tx, &reach, &id, &end).await).await
    }

    async fn extend(&self, reach: &Reach, id: &SessionId, spans: Spans) -> Result<Extended, StoreError> {
        let (reach, id) = (reach.clone(), id.clone());
        self.promise(async move |tx: &Tx<'_>| sessions::extend(tx, &reach, &id, spans).await).await
    }

    async fn delete(&self, reach: &Reach, id: &SessionId, end: End) -> Result<Option<Session>, StoreError> {
        let (reach, id) = (reach.clone(), id.clone());
        self.promise(async move |tx: &Tx<'_>| sessions::delete(tx, &reach, &id, &end).await).await
    }

    async fn tidings(
        &self,
        reach: &Reach,
        of: Option<Uid>,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Tidings, StoreError> {
        let reach = reach.clone();
        self.look(async move |tx: &Tx<'_>| tidings::after(tx, &reach, of, after, limit).await).await
    }
}

#[async_trait]
impl SystemStore for Store {
    async fn ping(&self) -> Result<Timestamp, StoreError> {
        timestamp(self.hint(async |tx: &Tx<'_>| Ok(tx.now())).await?)
    }

    async fn find(&self, uid: Uid) -> Result<Option<Session>, StoreError> {
        self.look(async move |tx: &Tx<'_>| phases::find(tx, uid).await).await
    }

    async fn sealed(&self, uid: Uid) -> Result<Option<Sealed>, StoreError> {
        self.look(async move |tx: &Tx<'_>| phases::sealed(tx, uid).await).await
    }

    async fn claim_work(&self, lease: Duration) -> Result<Option<Claim>, StoreError> {
        self.hint(async move |tx: &Tx<'_>| leases::claim(tx, lease).await).await
    }

    async fn yield_work(&self, uid: Uid, token: LeaseToken, again: Duration) -> Result<(), StoreError> {
        self.hint(async move |tx: &Tx<'_>| leases::give_back(tx, uid, token, again).await).await
    }

    async fn lead(&self, name: &str, holder: &str, span: Duration) -> Result<bool, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.hint(async move |tx: &Tx<'_>| leaders::lead(tx, &name, &holder, span).await).await
    }

    async fn resign(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.hint(async move |tx: &Tx<'_>| leaders::resign(tx, &name, &holder).await).await
    }

    async fn launched(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError> {
        self.promise(async move |tx: &Tx<'_>| phases::launched(tx, life, runner).await).await
    }

    async fn runner(&self, id: RunnerId) -> Result<Option<RunnerRow>, StoreError> {
        self.look(async move |tx: &Tx<'_>| runners::by_id(tx, id).await).await
    }

    async fn runner_of(&self, life: Incarnation) -> Result<Option<RunnerRow>, StoreError> {
        self.look(async move |tx: &Tx<'_>| runners::by_life(tx, life).await).await
    }

    async fn runner_at(&self, launch: &LaunchName) -> Result<Option<RunnerRow>, StoreError> {
        let launch = launch.clone();
        self.look(async move |tx: &Tx<'_>| runners::by_launch(tx, &launch).await).await
    }

    async fn pool(&self, id: RunnerId, launch: &LaunchName) -> Result<(), StoreError> {
        let launch = launch.clone();
        self.hint(async move |tx: &Tx<'_>| runners::pool(tx, id, &launch).await).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.hint(runners::waiting).await
    }

    async fn retire(&self, id: RunnerId) -> Result<bool, StoreError> {
        self.hint(async move |tx: &Tx<'_>| runners::retire(tx, id).await).await
    }

    async fn forsake(&self, life: Incarnation, runner: RunnerId) -> Result<bool, StoreError> {
        self.promise(async move |tx: &Tx<'_>| phases::forsake(tx, life, runner).await).await
    }

    async fn register(&self, id: RunnerId, certificate: &[u8], address: &str) -> Result<bool, StoreError> {
        let (certificate, address) = (certificate.to_vec(), address.to_owned());
        self.promise(async move |tx: &Tx<'_>| runners::register(tx, id, &certificate, &address).await).await
    }

    async fn credential_used(&self, id: RunnerId) -> Result<(), StoreError> {
        self.promise(async move |tx: &Tx<'_>| runners::credential_used(tx, id).await).await
    }

    async fn stage(&self, life: Incarnation, stage: Stage) -> Result<bool, StoreError> {
        self.hint(async move |tx: &Tx<'_>| phases::stage(tx, life, stage).await).await
    }

    async fn running(&self, life: Incarnation, isolation: Isolation) -> Result<bool, StoreError> {
        self.promise(async move |tx: &Tx<'_>| phases::running(tx, life, isolation).await).await
    }

    async fn end(&self, life: Incarnation, end: &End) -> Result<bool, StoreError> {
        let end = end.clone();
        self.promise(async move |tx: &Tx<'_>| phases::end(tx, life, &end).await).await
    }

    async fn log_end(&self, life: Incarnation, end: u64) -> Result<(), StoreError> {
        self.hint(async move |tx: &Tx<'_>| phases::log_end(tx, life, end).await).await
    }

    async fn beats(&self, beats: &[(Incarnation, Beat)]) -> Result<Vec<Incarnation>, StoreError> {
        let told = beats.to_owned();
        self.hint(async move |tx: &Tx<'_>| beats::write(tx, &told).await).await
    }

    async fn add_segment(&self, life: Incarnation, segment: SegmentRow, first_kept: u64) -> Result<(), StoreError> {
        self.hint(async move |tx: &Tx<'_>| segments::add(tx, life, segment, first_kept).await).await
    }

    async fn segments(&self, life: Incarnation) -> Result<Vec<SegmentRow>, StoreError> {
        self.look(async move |tx: &Tx<'_>| segments::of(tx, life).await).await
    }

    async fn release(&self, life: Incarnation) -> Result<bool, StoreError> {
        self.promise(async move |tx: &Tx<'_>| leases::release(tx, life).await).await
    }

    async fn held(&self) -> Result<Vec<Held>, StoreError> {
        self.look(leases::held).await
    }

    async fn sweep(&self, keep_ended: Duration, silence: Duration) -> Result<Swept, StoreError> {
        let (keep, silence) = (millis(keep_ended), millis(silence));
        self.run(Kind::Chore, async move |tx: &Tx<'_>| sweep::sweep(tx, keep, silence).await).await
    }

    async fn note(&self, uid: Uid, kind: &str, detail: &str) -> Result<(), StoreError> {
        let (kind, detail) = (kind.to_owned(), detail.to_owned());
        self.hint(async move |tx: &Tx<'_>| events::note(tx, uid, &kind, &detail).await).await
    }

    async fn events(&self, uid: Uid, after: u64) -> Result<Vec<Event>, StoreError> {
        self.look(async move |tx: &Tx<'_>| events::after(tx, uid, after).await).await
    }

    async fn feed(&self, after: Cursor, limit: u32) -> Result<Feed, StoreError> {
        self.look(async move |tx: &Tx<'_>| events::feed(tx, after, limit).await).await
    }

    /// `Notified` counts from its making; an `async fn` would make it at the first poll. Heartbeats are not told.
    fn changed<'life0, 'async_trait>(&'life0 self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.changed.notified())
    }
}

#[async_trait]
impl QuotaStore for Store {
    async fn overrides(&self, owner: &Owner) -> Result<Overrides, StoreError> {
        let owner = owner.clone();
        self.look(async move |tx: &Tx<'_>| overrides::of_owner(tx, &owner).await).await
    }

    async fn quota(&self, of: &QuotaOf) -> Result<QuotaOverride, StoreError> {
        let of = of.clone();
        self.look(async move |tx: &Tx<'_>| overrides::get(tx, &of).await).await
    }

    async fn set_quota(&self, of: &QuotaOf, to: &QuotaOverride) -> Result<(), StoreError> {
        let (of, to) = (of.clone(), to.clone());
        self.promise(async move |tx: &Tx<'_>| overrides::set(tx, &of, &to).await).await
    }
}

#[async_trait]
impl PrincipalStore for Store {
    async fn key(&self, id: &str) -> Result<Option<KeyRow>, StoreError> {
        let id = id.to_owned();
        self.look(async move |tx: &Tx<'_>| keys::by_id(tx, &id).await).await
    }

    async fn add_first_key(&self, key: &NewKey) -> Result<bool, StoreError> {
        let key = key.clone();
        self.promise(async move |tx: &Tx<'_>| keys::add_first(tx, &key).await).await
    }

    async fn add_key(&self, key: &NewKey, max: u32) -> Result<Option<KeyRow>, StoreError> {
        let key = key.clone();
        self.promise(async move |tx: &Tx<'_>| keys::add(tx, &key, max).await).await
    }

    async fn keys(&self, tenant: Option<&Tenant>, after: Option<&str>, limit: u32) -> Result<Roster, StoreError> {
        let (tenant, after) = (tenant.cloned(), after.map(str::to_owned));
        self.look(async move |tx: &Tx<'_>| keys::list(tx, tenant.as_ref(), after.as_deref(), limit).await).await
    }

    async fn revoke_key(&self, tenant: Option<&Tenant>, id: &str) -> Result<Option<KeyRow>, StoreError> {
        let (tenant, id) = (tenant.cloned(), id.to_owned());
        self.promise(async move |tx: &Tx<'_>| keys::revoke(tx, tenant.as_ref(), &id).await).await
    }

    async fn rotate_key(
        &self,
        tenant: Option<&Tenant>,
        id: &str,
        hash: [u8; 32],
        overlap: Duration,
    ) -> Result<Option<KeyRow>, StoreError> {
        let (tenant, id) = (tenant.cloned(), id.to_owned());
        self.promise(async move |tx: &Tx<'_>| keys::rotate(tx, tenant.as_ref(), &id, hash, overlap).await).await
    }

    async fn keys_used(&self, ids: &[String]) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.hint(async move |tx: &Tx<'_>| keys::used(tx, &ids).await).await
    }
}

#[async_trait]
impl AuditStore for Store {
    async fn append(&self, entries: &[(Duration, Entry)]) -> Result<(), StoreError> {
        let entries = entries.to_owned();
        self.hint(async move |tx: &Tx<'_>| audit::append(tx, &entries).await).await
    }

    async fn audit(&self, filter: &AuditFilter, after: Cursor, limit: u32) -> Result<Vec<Record>, StoreError> {
        let filter = filter.clone();
        self.look(async move |tx: &Tx<'_>| audit::list(tx, &filter, after, limit).await).await
    }

    async fn forget_audit(&self, keep: Duration) -> Result<u64, StoreError> {
        self.run(Kind::Chore, async move |tx: &Tx<'_>| audit::forget(tx, keep).await).await
    }
}

#[async_trait]
impl OperatorStore for Store {
    async fn all_sessions(&self, wanted: &Wanted, after: Option<Uid>, limit: u32) -> Result<Page, StoreError> {
        let wanted = wanted.clone();
        self.look(async move |tx: &Tx<'_>| operator::sessions(tx, &wanted, after, limit).await).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.hint(operator::counts).await
    }

    async fn gateway_reports(&self, report: &GatewayReport) -> Result<bool, StoreError> {
        let report = report.clone();
        self.hint(async move |tx: &Tx<'_>| gateways::report(tx, &report).await).await
    }

    async fn gateways(&self, within: Duration) -> Result<Vec<GatewayRow>, StoreError> {
        self.hint(async move |tx: &Tx<'_>| gateways::list(tx, within).await).await
    }

    async fn drain_gateway(&self, id: &str, within: Duration) -> Result<Option<GatewayRow>, StoreError> {
        let id = id.to_owned();
        self.promise(async move |tx: &Tx<'_>| gateways::drain(tx, &id, within).await).await
    }
}

#[async_trait]
impl ShareStore for Store {
    async fn share(&self, session: Uid, new: NewShare) -> Result<Option<Share>, StoreError> {
        self.promise(async move |tx: &Tx<'_>| shares::add(tx, session, &new).await).await
    }

    async fn shares(&self, session: Uid) -> Result<Vec<Share>, StoreError> {
        self.look(async move |tx: &Tx<'_>| shares::of(tx, session).await).await
    }

    async fn revoke_share(&self, session: Uid, id: ShareId) -> Result<Option<Share>, StoreError> {
        self.promise(async move |tx: &Tx<'_>| shares::revoke(tx, session, id).await).await
    }

    async fn redeem(&self, id: ShareId, hash: [u8; 32]) -> Result<Option<Redeemed>, StoreError> {
        self.promise(async move |tx: &Tx<'_>| shares::redeem(tx, id, hash).await).await
    }

    async fn revoked_shares(&self, session: Uid) -> Result<Vec<ShareId>, StoreError> {
        self.look(async move |tx: &Tx<'_>| shares::revoked(tx, session).await).await
    }
}
