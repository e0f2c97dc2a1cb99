//! Rows of sessions and the domain's sessions.

use std::time::Duration;

use podling_session::{
    id::{LaunchName, SessionId},
    phase::{End, EndReason, Phase, Stage},
    principal::{Owner, Tenant},
    session::{Isolation, LogRange, Release, Session},
    spec::Spec,
};

use super::{error::Error, value::Row};

/// What [`session`] reads.
pub(super) const SESSION: &str = "uid, id, tenant, subject, incarnation, phase, stage, end_reason, exit_code, detail, \
    release, spec, created_at, started_at, ended_at, deleted_at, last_activity_at, isolation, log_first, log_end, viewers, \
    deadline_millis, idle_millis";

pub(super) fn session(row: Row<'_>) -> Result<Session, Error> {
    Ok(Session {
        uid: row.uid("uid")?,
        id: row.text("id")?.parse::<SessionId>()?,
        owner: owner(row)?,
        incarnation: row.small("incarnation")?,
        phase: phase(row)?,
        release: release(&row.text("release")?)?,
        spec: spec(row)?,
        created_at: row.timestamp("created_at")?,
        started_at: row.time("started_at")?,
        ended_at: row.time("ended_at")?,
        deleted_at: row.time("deleted_at")?,
        last_activity_at: row.timestamp("last_activity_at")?,
        isolation: row.get::<Option<String>>("isolation")?.map(|text| text.parse::<Isolation>()).transpose()?,
        log: LogRange { first: row.unsigned("log_first")?, end: row.unsigned("log_end")? },
        viewers: row.small("viewers")?,
    })
}

pub(super) fn launch(row: Row<'_>) -> Result<LaunchName, Error> {
    Ok(row.text("launch")?.parse()?)
}

pub(super) fn owner(row: Row<'_>) -> Result<Owner, Error> {
    let tenant: Tenant = row.text("tenant")?.parse()?;
    Ok(Owner { tenant, subject: row.text("subject")?.into() })
}

pub(super) fn spec_json(spec: &Spec) -> String {
    serde_json::to_string(spec).expect("strings, numbers and maps of strings always serialize")
}

/// As it was created, with the spans that it was given since.
fn spec(row: Row<'_>) -> Result<Spec, Error> {
    let deadline = Duration::from_millis(row.unsigned("deadline_millis")?);
    let idle = Duration::from_millis(row.unsigned("idle_millis")?);
    Ok(Spec { deadline, idle, ..parse_spec(&row.text("spec")?)? })
}

fn parse_spec(json: &str) -> Result<Spec, Error> {
    serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("a spec: {error}")))
}

fn release(text: &str) -> Result<Release, Error> {
    match text {
        "held" => Ok(Release::Held),
        "released" => Ok(Release::Released),
        other => Err(Error::Corrupt(format!("a release of {other:?}"))),
    }
}

fn phase(row: Row<'_>) -> Result<Phase, Error> {
    match row.text("phase")?.as_str() {
        "pending" => Ok(Phase::Pending),
        "starting" => Ok(Phase::Starting { stage: row.text("stage")?.parse::<Stage>()? }),
        "running" => Ok(Phase::Running),
        "asleep" => Ok(Phase::Asleep),
        "ended" => Ok(Phase::Ended(end(row)?)),
        other => Err(Error::Corrupt(format!("a phase of {other:?}"))),
    }
}

fn end(row: Row<'_>) -> Result<End, Error> {
    let reason: EndReason = row.text("end_reason")?.parse()?;
    Ok(End { reason, exit_code: exit_code(row)?, detail: row.text("detail")? })
}

fn exit_code(row: Row<'_>) -> Result<Option<i32>, Error> {
    let code: Option<i64> = row.get("exit_code")?;
    code.map(i32::try_from).transpose().map_err(|_| Error::Corrupt("exit_code is out of range".to_owned()))
}
