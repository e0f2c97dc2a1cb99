//! Between the domain and the words of `podling.admin.v1`.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use jiff::Timestamp;
use podling_proto::admin;
use podling_session::{
    audit::Record,
    event::{Cursor, Event},
    operator::GatewayRow,
    phase::Phase,
    session::{Release, Session},
    spec::InvalidField,
};

/// What a page holds when the caller does not say, and at most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

pub(super) fn page_size(asked: u32) -> Result<u32, InvalidField> {
    match asked {
        0 => Ok(PAGE),
        1..=MAX_PAGE => Ok(asked),
        _ => Err(InvalidField::new("page_size", format!("page_size must be from 1 to {MAX_PAGE}"))),
    }
}

/// What a caller leaves out is empty.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// What is given must be of its form.
pub(super) fn parsed<T: FromStr>(field: &'static str, rule: &str, text: &str) -> Result<Option<T>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| InvalidField::new(field, format!("{field} must be {rule}")))
}

pub(super) fn cursor(field: &'static str, text: &str) -> Result<Cursor, InvalidField> {
    Ok(parsed(field, "a cursor that was given out before", text)?.unwrap_or_default())
}

pub(super) fn time(field: &str, time: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>, InvalidField> {
    let parse = |time: prost_types::Timestamp| Timestamp::new(time.seconds, time.nanos);
    let refused = |_| InvalidField::new(field, format!("{field} must be a time between the years 1 and 9999"));
    time.map(parse).transpose().map_err(refused)
}

pub(super) fn span(field: &str, span: Option<prost_types::Duration>) -> Result<Option<Duration>, InvalidField> {
    let refused = |_| InvalidField::new(field, format!("{field} must not be negative"));
    span.map(Duration::try_from).transpose().map_err(refused)
}

pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

pub(super) fn labels(labels: std::collections::HashMap<String, String>) -> BTreeMap<String, String> {
    labels.into_iter().collect()
}

pub(super) fn session(session: Session, keep_ended: Duration) -> admin::Session {
    let expires_at = Some(timestamp(session.expires_at(keep_ended)));
    let (stage, end) = match &session.phase {
        Phase::Starting { stage } => (stage.to_string(), None),
        Phase::Ended(end) => (String::new(), Some(end.clone())),
        Phase::Pending | Phase::Running | Phase::Asleep => (String::new(), None),
    };
    admin::Session {
        uid: session.uid.to_string(),
        id: session.id.to_string(),
        tenant: session.owner.tenant.to_string(),
        subject: session.owner.subject.to_string(),
        incarnation: session.incarnation,
        phase: session.phase.name().to_owned(),
        stage,
        end_reason: end.as_ref().map(|end| end.reason.to_string()).unwrap_or_default(),
        exit_code: end.as_ref().and_then(|end| end.exit_code),
        detail: end.map(|end| end.detail).unwrap_or_default(),
        held: session.release == Release::Held,
        command: session.spec.command,
        labels: session.spec.labels.into_iter().collect(),
        created_at: Some(timestamp(session.created_at)),
        started_at: session.started_at.map(timestamp),
        ended_at: session.ended_at.map(timestamp),
        deleted_at: session.deleted_at.map(timestamp),
        last_activity_at: Some(timestamp(session.last_activity_at)),
        expires_at,
        isolation: session.isolation.map(|level| level.as_str().to_owned()).unwrap_or_default(),
        log_first_offset: session.log.first,
        log_end_offset: session.log.end,
        viewers: session.viewers,
    }
}

pub(super) fn event(event: Event) -> admin::Event {
    admin::Event {
        cursor: event.cursor.to_string(),
        uid: event.uid.to_string(),
        sequence: event.sequence,
        at: Some(timestamp(event.at)),
        kind: event.kind,
        detail: event.detail,
    }
}

pub(super) fn gateway(row: GatewayRow) -> admin::Gateway {
    admin::Gateway {
        id: row.report.id,
        address: row.report.address,
        viewers: row.report.viewers,
        draining: row.report.draining,
        embedded: row.report.embedded,
        version: row.report.version,
        started_at: Some(timestamp(row.started_at)),
        seen_at: Some(timestamp(row.seen_at)),
        drain_ordered_at: row.drain_ordered_at.map(timestamp),
    }
}

pub(super) fn record(record: Record) -> admin::AuditRecord {
    let entry = record.entry;
    let by = entry.by.as_ref();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    admin::AuditRecord {
        cursor: record.cursor.to_string(),
        at: Some(timestamp(record.at)),
        action: entry.action.to_string(),
        outcome: entry.outcome.to_string(),
        tenant: text(by.map(|by| by.owner.tenant.as_str())),
        subject: text(by.map(|by| &*by.owner.subject)),
        role: text(by.map(|by| by.role.as_str())),
        source: text(by.map(|by| &*by.source)),
        address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
        request_id: text(entry.request_id.as_deref()),
        uid: entry.session.map(|uid| uid.to_string()).unwrap_or_default(),
        detail: entry.detail.into_owned(),
        count: entry.count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named_with_its_limit() {
        let said = |error: InvalidField| format!("{}: {}", error.field, error.message);
        assert_eq!(page_size(0), Ok(100));
        assert_eq!(page_size(1_000), Ok(1_000));
        assert_eq!(said(page_size(1_001).expect_err("too many")), "page_size: page_size must be from 1 to 1000");
        let negative = prost_types::Duration { seconds: -1, nanos: 0 };
        assert!(span("life", Some(negative)).is_err());
        let far = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert!(time("since", Some(far)).is_err());
        assert!(cursor("after", "x").is_err());
        assert_eq!(cursor("after", ""), Ok(Cursor::default()));
    }

    #[test]
    fn a_time_is_told_to_the_nanosecond() {
        let instant: Timestamp = "2026-01-01T00:00:00.123456789Z".parse().expect("a time");
        assert_eq!(time("at", Some(timestamp(instant))), Ok(Some(instant)));
    }
}
