//! Who did what, and what was refused. Rows are added and, when they are old, removed; the schema refuses to change one.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use podling_session::{
    audit::{Action, Actor, AuditFilter, Entry, Outcome, Record},
    event::Cursor,
};

use super::{
    clock::millis,
    error::Error,
    events::{cursor, cursor_of},
    listing::Listing,
    row,
    tx::{Dialect, Tx},
    value::{Row, Value, values},
};

/// Rows that are forgotten at once.
const BATCH: u32 = 1_000;

const COLUMNS: &str = "at, action, outcome, tenant, subject, role, source, address, request_id, uid, detail, count";

/// An entry and what of it a statement has to borrow.
struct Line<'a> {
    at: i64,
    address: Option<String>,
    entry: &'a Entry,
}

pub(super) async fn append(tx: &Tx<'_>, entries: &[(Duration, Entry)]) -> Result<(), Error> {
    // One costs microseconds in SQLite, and a round trip in Postgres.
    let at_once = match tx.dialect() {
        Dialect::Sqlite => 1,
        Dialect::Postgres => 32,
    };
    for entries in entries.chunks(at_once) {
        let line =
            |(age, entry): &'_ (Duration, Entry)| (tx.now() - millis(*age), entry.address.map(|ip| ip.to_string()));
        let told: Vec<_> = entries.iter().map(line).collect();
        let lines = told.into_iter().zip(entries).map(|((at, address), (_, entry))| Line { at, address, entry });
        insert(tx, &lines.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

async fn insert(tx: &Tx<'_>, lines: &[Line<'_>]) -> Result<(), Error> {
    let mut listing = Listing::begin(format!("INSERT INTO audit ({COLUMNS}) VALUES "));
    for (index, line) in lines.iter().enumerate() {
        listing.say(if index == 0 { "(" } else { ", (" });
        for (index, value) in line.values().into_iter().enumerate() {
            listing.add(if index == 0 { "" } else { ", " }, value, "");
        }
        listing.say(")");
    }
    tx.execute(&listing.sql, &listing.values).await?;
    Ok(())
}

impl Line<'_> {
    /// As [`COLUMNS`] names them.
    fn values(&self) -> [Value<'_>; 12] {
        let Line { at, address, entry } = self;
        let by = entry.by.as_ref();
        [
            (*at).into(),
            entry.action.as_str().into(),
            entry.outcome.as_str().into(),
            by.map(|by| by.owner.tenant.as_str()).into(),
            by.map(|by| &*by.owner.subject).into(),
            by.map(|by| by.role.as_str()).into(),
            by.map(|by| &*by.source).into(),
            address.as_ref().into(),
            entry.request_id.as_deref().into(),
            entry.session.into(),
            (*entry.detail).into(),
            entry.count.into(),
        ]
    }
}

pub(super) async fn list(tx: &Tx<'_>, filter: &AuditFilter, after: Cursor, limit: u32) -> Result<Vec<Record>, Error> {
    let transaction = after.transaction.to_string();
    let mut listing = Listing::begin(format!("SELECT {}, {COLUMNS} FROM audit", cursor_of("audit", tx.dialect())));
    match tx.dialect() {
        Dialect::Sqlite => listing.add(" WHERE cursor > ", after.row.into(), ""),
        Dialect::Postgres => listing.add(" WHERE (audit.xact, cursor) > (", (&transaction).into(), "::text::xid8").add(
            ", ",
            after.row.into(),
            ") AND audit.xact < pg_snapshot_xmin(pg_current_snapshot())",
        ),
    };
    listing
        .add_if(" AND action = ", filter.action.map(Action::as_str))
        .add_if(" AND outcome = ", filter.outcome.map(Outcome::as_str))
        .add_if(" AND tenant = ", filter.tenant.as_ref())
        .add_if(" AND subject = ", filter.subject.as_ref())
        .add_if(" AND uid = ", filter.session)
        .add_if(" AND at >= ", filter.since.map(|time| time.as_millisecond()))
        .add_if(" AND at < ", filter.until.map(|time| time.as_millisecond()));
    listing.say(match tx.dialect() {
        Dialect::Sqlite => " ORDER BY cursor",
        Dialect::Postgres => " ORDER BY audit.xact, cursor",
    });
    listing.add(" LIMIT ", limit.into(), "");
    tx.all(&listing.sql, &listing.values, record).await
}

fn record(row: Row<'_>) -> Result<Record, Error> {
    let address: Option<String> = row.get("address")?;
    let request_id: Option<String> = row.get("request_id")?;
    let entry = Entry {
        action: row.text("action")?.parse()?,
        outcome: row.text("outcome")?.parse()?,
        by: actor(row)?,
        address: address.and_then(|text| text.parse::<IpAddr>().ok()),
        request_id: request_id.map(Into::into),
        session: row.uid_if_any("uid")?,
        detail: Cow::Owned(row.text("detail")?),
        count: row.unsigned("count")?,
    };
    Ok(Record { cursor: cursor(row)?, at: row.timestamp("at")?, entry })
}

fn actor(row: Row<'_>) -> Result<Option<Actor>, Error> {
    if row.get::<Option<String>>("tenant")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Actor { owner: row::owner(row)?, role: row.text("role")?.parse()?, source: row.text("source")?.into() }))
}

pub(super) async fn forget(tx: &Tx<'_>, keep: Duration) -> Result<u64, Error> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "DELETE FROM audit WHERE cursor IN (SELECT cursor FROM audit WHERE at <= $1 LIMIT $2)",
        Dialect::Postgres => {
            "DELETE FROM audit WHERE (xact, cursor) IN \
            (SELECT xact, cursor FROM audit WHERE at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
        }
    };
    tx.execute(sql, values![tx.now() - millis(keep), BATCH]).await
}
