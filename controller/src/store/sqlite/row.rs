//! Rows of sessions and the domain's sessions.

use podling_session::{
    id::{LaunchName, SessionId, Uid},
    phase::{End, EndReason, Phase, Stage},
    principal::{Owner, Tenant},
    session::{Isolation, LogRange, Release, Session},
    spec::Spec,
};
use rusqlite::Row;

use super::{clock::timestamp, error::Error};

/// What [`session`] reads.
pub(super) const SESSION: &str = "uid, id, tenant, subject, incarnation, phase, stage, end_reason, exit_code, detail, \
    release, spec, created_at, started_at, ended_at, deleted_at, last_activity_at, isolation, log_first, log_end, viewers";

pub(super) fn session(row: &Row<'_>) -> Result<Session, Error> {
    Ok(Session {
        uid: uid(row)?,
        id: text(row, "id")?.parse::<SessionId>()?,
        owner: owner(row)?,
        incarnation: row.get("incarnation")?,
        phase: phase(row)?,
        release: release(&text(row, "release")?)?,
        spec: parse_spec(&text(row, "spec")?)?,
        created_at: timestamp(row.get("created_at")?)?,
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        deleted_at: time(row, "deleted_at")?,
        last_activity_at: timestamp(row.get("last_activity_at")?)?,
        isolation: row.get::<_, Option<String>>("isolation")?.map(|text| text.parse::<Isolation>()).transpose()?,
        log: LogRange { first: unsigned(row, "log_first")?, end: unsigned(row, "log_end")? },
        viewers: row.get("viewers")?,
    })
}

pub(super) fn uid(row: &Row<'_>) -> Result<Uid, Error> {
    Ok(text(row, "uid")?.parse()?)
}

pub(super) fn launch(row: &Row<'_>) -> Result<LaunchName, Error> {
    Ok(text(row, "launch")?.parse()?)
}

pub(super) fn owner(row: &Row<'_>) -> Result<Owner, Error> {
    let tenant: Tenant = text(row, "tenant")?.parse()?;
    Ok(Owner { tenant, subject: row.get("subject")? })
}

pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Option<jiff::Timestamp>, Error> {
    let millis: Option<i64> = row.get(column)?;
    Ok(millis.map(timestamp).transpose()?)
}

pub(super) fn bytes32(row: &Row<'_>, column: &str) -> Result<[u8; 32], Error> {
    let bytes: Vec<u8> = row.get(column)?;
    bytes.try_into().map_err(|_| Error::Corrupt(format!("{column} has not 32 bytes")))
}

/// An offset or a size.
pub(super) fn unsigned(row: &Row<'_>, column: &str) -> Result<u64, Error> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Error::Corrupt(format!("{column} is below zero")))
}

/// An offset or a size as a column holds it.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn spec_json(spec: &Spec) -> String {
    serde_json::to_string(spec).expect("strings, numbers and maps of strings always serialize")
}

fn parse_spec(json: &str) -> Result<Spec, Error> {
    serde_json::from_str(json).map_err(|error| Error::Corrupt(format!("a spec: {error}")))
}

fn text(row: &Row<'_>, column: &str) -> Result<String, Error> {
    Ok(row.get(column)?)
}

fn release(text: &str) -> Result<Release, Error> {
    match text {
        "held" => Ok(Release::Held),
        "released" => Ok(Release::Released),
        other => Err(Error::Corrupt(format!("a release of {other:?}"))),
    }
}

fn phase(row: &Row<'_>) -> Result<Phase, Error> {
    match text(row, "phase")?.as_str() {
        "pending" => Ok(Phase::Pending),
        "starting" => Ok(Phase::Starting { stage: text(row, "stage")?.parse::<Stage>()? }),
        "running" => Ok(Phase::Running),
        "asleep" => Ok(Phase::Asleep),
        "ended" => Ok(Phase::Ended(end(row)?)),
        other => Err(Error::Corrupt(format!("a phase of {other:?}"))),
    }
}

fn end(row: &Row<'_>) -> Result<End, Error> {
    let reason: EndReason = text(row, "end_reason")?.parse()?;
    Ok(End { reason, exit_code: row.get("exit_code")?, detail: text(row, "detail")? })
}
