//! Reports: what the runner has come to, which segments of the log are sealed, and who alone may type.

use podling_proto::control::{self, Ended, ReportRequest, Running, Segment, report_request};
use podling_session::{
    id::Incarnation,
    phase::{End, Stage},
    session::Isolation,
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};
use tracing::warn;

use super::{Controller, ControllerError};
use crate::{attach::LeaseChange, terminal::Log};

#[derive(Clone, Debug)]
pub(crate) enum Phase {
    Stage(Stage),
    Running(Isolation),
    /// `log_end` is the end of what is stored, `output_end` that of what was said.
    Ended {
        end: End,
        log_end: u64,
        output_end: u64,
    },
}

/// Reports phases in their order until there are no more. The command does not wait for it.
pub(crate) async fn report_phases(controller: Controller, life: Incarnation, mut phases: mpsc::Receiver<Phase>) {
    while let Some(phase) = phases.recv().await {
        let request = ReportRequest { uid: life.uid.to_string(), incarnation: life.number, phase: Some(phase.into()) };
        let call = async |mut client: super::RunnersClient<_>, request| client.report(request).await;
        match controller.call("a report", request, call).await {
            Ok(_answer) => {} // When it is not current, a Stop follows.
            Err(error) => not_reported(&error),
        }
    }
}

/// Reports sealed segments until `settled` returns, and those that are left then.
pub(crate) async fn report_segments(
    controller: Controller,
    life: Incarnation,
    log: std::sync::Arc<Log>,
    settled: tokio_util::sync::CancellationToken,
) {
    let mut sealed = log.sealed();
    let mut next = 0;
    loop {
        let settling = settled.is_cancelled();
        while let Some((entry, first_kept)) = log.sealed_from(next) {
            next = entry.sequence + 1;
            let request = Segment {
                uid: life.uid.to_string(),
                incarnation: life.number,
                sequence: entry.sequence,
                first_offset: entry.first_offset,
                end_offset: entry.end_offset,
                hash: entry.hash.unwrap_or_default().to_vec().into(),
                size_bytes: entry.bytes,
                first_kept_offset: first_kept,
                data: None,
                gap_end: entry.gap_end,
            };
            let call = async |mut client: super::RunnersClient<_>, request| client.report_segment(request).await;
            if let Err(error) = controller.call("a segment", request, call).await {
                not_reported(&error);
            }
        }
        if settling {
            return;
        }
        tokio::select! {
            () = settled.cancelled() => {}
            _ = sealed.changed() => {}
        }
    }
}

/// Reports what becomes of the lease, for as long as anybody may have it.
pub(crate) async fn report_leases(
    controller: Controller,
    life: Incarnation,
    mut changes: broadcast::Receiver<LeaseChange>,
) {
    loop {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(lost)) => {
                warn!("{lost} changes of the lease were not told");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let request = control::LeaseChange {
            uid: life.uid.to_string(),
            incarnation: life.number,
            holder: change.holder.map(|holder| holder.to_string()),
            by: change.by.to_string(),
        };
        let call = async |mut client: super::RunnersClient<_>, request| client.report_lease(request).await;
        if let Err(error) = controller.call("a lease", request, call).await {
            not_reported(&error);
        }
    }
}

fn not_reported(error: &ControllerError) {
    match error {
        ControllerError::Gone => {}
        ControllerError::Refused { what, status } => warn!(%status, "the controller refused {what}"),
    }
}

impl From<Phase> for report_request::Phase {
    fn from(phase: Phase) -> report_request::Phase {
        match phase {
            Phase::Stage(stage) => report_request::Phase::Stage(stage.to_string()),
            Phase::Running(isolation) => {
                report_request::Phase::Running(Running { isolation: isolation.as_str().to_owned() })
            }
            Phase::Ended { end, log_end, output_end } => {
                report_request::Phase::Ended(Ended { exit: Some(end.into()), log_end, output_end })
            }
        }
    }
}
