//! The door of runners: they register once, report what they come to, and hand over sealed segments.

use std::time::Duration;

use futures_util::stream::BoxStream;
use podling_proto::{
    control::{
        BundlePiece, FetchBundleRequest, Heartbeat, LeaseAnswer, LeaseChange, Order, RegisterRequest, RegisterResponse,
        ReportRequest, ReportResponse, Segment, SegmentResponse, report_request::Phase as Reported,
        runners_server::Runners,
    },
    convert::Malformed,
};
use podling_session::{
    audit::{Action, Entry},
    id::{Incarnation, RunnerId, Uid, ViewerId},
    log::hash,
    phase::{End, Phase, Stage},
    session::{Isolation, LogRange, Session},
    store::{RunnerRow, SegmentRow},
};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use tracing::info;

use super::{auth, bundle, control, error::Error};
use crate::{
    core::Core,
    drain,
    logs::{gap, pace::Pace},
};

/// A self-signed certificate has some 500 bytes.
const MAX_CERTIFICATE_BYTES: usize = 8 * 1024;
/// A Unix path has 107 bytes, a host name 253.
const MAX_ADDRESS_BYTES: usize = 512;

/// How long a runner that has proved who it is waits for the row of its launch, before it has to ask again.
const ROW_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct RunnersDoor {
    pub(super) core: Core,
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl Runners for RunnersDoor {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let credential = register(&self.core, request.into_inner()).await?;
        Ok(Response::new(RegisterResponse { credential }))
    }

    type ControlStream = BoxStream<'static, Result<Order, Status>>;

    async fn control(&self, request: Request<Streaming<Heartbeat>>) -> Result<Response<Self::ControlStream>, Status> {
        let runner = auth::runner(&self.core, request.metadata()).await?;
        let orders = control::stream(self.core.clone(), runner, request.into_inner()).await?;
        Ok(Response::new(drain::until(self.stop.clone(), orders, Err(drain::draining()))))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let runner = auth::runner(&self.core, request.metadata()).await?;
        let report = request.into_inner();
        let life = own(&runner, &report.uid, report.incarnation)?;
        let current = reported(&self.core, life, report.phase.ok_or(Malformed("phase"))?).await?;
        Ok(Response::new(ReportResponse { current }))
    }

    async fn report_segment(&self, request: Request<Segment>) -> Result<Response<SegmentResponse>, Status> {
        let runner = authenticated(&self.core, request.metadata(), request.get_ref()).await?;
        add_segment(&self.core, runner, request.into_inner()).await?;
        Ok(Response::new(SegmentResponse {}))
    }

    async fn report_lease(&self, request: Request<LeaseChange>) -> Result<Response<LeaseAnswer>, Status> {
        let runner = auth::runner(&self.core, request.metadata()).await?;
        let change = request.into_inner();
        let life = own(&runner, &change.uid, change.incarnation)?;
        self.core.audit.record(lease_changed(&change)?.on(life.uid));
        Ok(Response::new(LeaseAnswer {}))
    }

    type FetchBundleStream = BoxStream<'static, Result<BundlePiece, Status>>;

    async fn fetch_bundle(
        &self,
        request: Request<FetchBundleRequest>,
    ) -> Result<Response<Self::FetchBundleStream>, Status> {
        let runner = auth::runner(&self.core, request.metadata()).await?;
        let wanted = request.into_inner();
        let life = own(&runner, &wanted.uid, wanted.incarnation)?;
        let pieces = bundle::pieces(&self.core, life, &wanted).await?;
        Ok(Response::new(drain::until(self.stop.clone(), pieces, Err(drain::draining()))))
    }
}

/// Viewers are told by the id that their attach has in the audit.
fn lease_changed(change: &LeaseChange) -> Result<Entry, Error> {
    let viewer = |text: &str| text.parse::<ViewerId>().map_err(|_| Malformed("holder, or by"));
    let by = viewer(&change.by)?;
    Ok(match change.holder.as_deref().map(viewer).transpose()? {
        Some(holder) => Entry::done(Action::LeaseGrant).detail(format!("to {holder} by {by}")),
        None => Entry::done(Action::LeaseRevoke).detail(format!("by {by}")),
    })
}

async fn authenticated(core: &Core, metadata: &MetadataMap, segment: &Segment) -> Result<Incarnation, Error> {
    let runner = auth::runner(core, metadata).await?;
    own(&runner, &segment.uid, segment.incarnation)
}

/// The incarnation that a message names, if it is the runner's own.
fn own(runner: &RunnerRow, uid: &str, incarnation: u32) -> Result<Incarnation, Error> {
    let uid: Uid = uid.parse().map_err(|_| Malformed("uid"))?;
    let named = Incarnation { uid, number: incarnation };
    if runner.life == Some(named) { Ok(named) } else { Err(Error::OtherSession) }
}

async fn register(core: &Core, request: RegisterRequest) -> Result<String, Error> {
    let RegisterRequest { runner_id, secret, certificate, address } = request;
    let id: RunnerId = runner_id.parse().map_err(|_| Error::Credential)?;
    if !auth::equal(&secret, &core.seal.bootstrap_secret(id)) {
        return Err(Error::Credential);
    }
    if certificate.is_empty() || certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(Malformed("certificate").into());
    }
    if address.is_empty() || address.len() > MAX_ADDRESS_BYTES {
        return Err(Malformed("address").into());
    }
    let row = launched(core, id).await?;
    if row.credential_used || !core.system.register(id, &certificate, &address).await? {
        return Err(Error::Credential);
    }
    match row.life {
        Some(life) => info!(session.id = %life.uid, "runner {id} of session {} registered", life.uid),
        None => info!("warm runner {id} registered"),
    }
    Ok(core.seal.credential(id, &certificate).expose_secret().to_owned())
}

/// The row that tells of a launch. A runner may be faster than it.
async fn launched(core: &Core, id: RunnerId) -> Result<RunnerRow, Error> {
    let mut pace = Pace::new(core.system.as_ref());
    let deadline = Instant::now() + ROW_TIMEOUT;
    loop {
        if let Some(row) = core.system.runner(id).await? {
            return Ok(row);
        }
        if Instant::now() >= deadline {
            return Err(Error::NotReady("the runner is not known yet"));
        }
        pace.wait().await;
    }
}

/// Whether the session goes on in the way that was reported.
async fn reported(core: &Core, life: Incarnation, phase: Reported) -> Result<bool, Error> {
    let (changed, reported) = match phase {
        Reported::Stage(stage) => {
            let stage: Stage = stage.parse().map_err(|_| Malformed("stage"))?;
            (core.system.stage(life, stage).await?, Phase::Starting { stage })
        }
        Reported::Running(running) => {
            let isolation: Isolation = running.isolation.parse().map_err(|_| Malformed("isolation"))?;
            (core.system.running(life, isolation).await?, Phase::Running)
        }
        Reported::Ended(ended) => {
            let end = End::try_from(ended.exit.ok_or(Malformed("exit"))?)?;
            let changed = core.system.end(life, &end).await?;
            // Also of a session that was ended from elsewhere: this is where its log ends.
            core.system.log_end(life, ended.log_end).await?;
            if ended.output_end > ended.log_end {
                gap::note(core, life.uid, LogRange { first: ended.log_end, end: ended.output_end }).await?;
            }
            (changed, Phase::Ended(end))
        }
    };
    if changed {
        info!(session.id = %life.uid, "session {} is {}", life.uid, reported.name());
        return Ok(true);
    }
    let session = core.system.find(life.uid).await?;
    Ok(session.is_some_and(|session| agrees(&session, life, &reported)))
}

/// Whether a report that changed nothing is one that was answered before.
fn agrees(session: &Session, life: Incarnation, reported: &Phase) -> bool {
    session.life() == life
        && match (&session.phase, reported) {
            (Phase::Starting { stage: now }, Phase::Starting { stage }) => stage <= now,
            (Phase::Running, Phase::Starting { .. }) => true,
            (now, reported) => now == reported,
        }
}

async fn add_segment(core: &Core, life: Incarnation, segment: Segment) -> Result<(), Error> {
    let row = SegmentRow {
        sequence: segment.sequence,
        first_offset: segment.first_offset,
        end_offset: segment.end_offset,
        bytes: segment.size_bytes,
        hash: segment.hash.as_ref().try_into().map_err(|_| Malformed("hash"))?,
    };
    if row.end_offset < row.first_offset {
        return Err(Malformed("end_offset").into());
    }
    let lost = segment.gap_end.map(|end| LogRange { first: row.first_offset, end });
    if let Some(data) = segment.data {
        if data.len() as u64 != row.bytes || hash(&data) != row.hash {
            return Err(Malformed("data").into());
        }
        let session = core.system.find(life.uid).await?.ok_or(Error::NoSession)?;
        core.logs.put(&session.owner.tenant, life, row.sequence, data).await?;
    }
    core.system.add_segment(life, row, segment.first_kept_offset).await?;
    if let Some(lost) = lost {
        gap::note(core, life.uid, lost).await?;
    }
    Ok(())
}
