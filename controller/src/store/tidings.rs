//! What happened to the sessions within somebody's reach.
//!
//! One statement tells the events and how far they reach: whoever asks again from there passes over what others' sessions
//! did, and misses nothing.

use podling_session::{
    event::{Cursor, Tidings, Told},
    id::{SessionId, Uid},
    principal::Reach,
};

use super::{
    error::Error,
    events,
    tx::{Dialect, Tx},
    value::{Row, values},
};

/// Above every place that a database gives out.
const END: Cursor = Cursor { transaction: i64::MAX.cast_unsigned(), row: i64::MAX.cast_unsigned() };

pub(super) async fn after(
    tx: &Tx<'_>,
    reach: &Reach,
    of: Option<Uid>,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Tidings, Error> {
    let (tenant, subject) = (reach.tenant().as_str(), reach.subject());
    let from = after.unwrap_or(END);
    let rows = match tx.dialect() {
        Dialect::Sqlite => {
            let whose = if of.is_some() { "events.uid = $3" } else { "$3 IS NULL" };
            let values = values![tenant, subject, of, from.row, limit];
            let mine = if subject.is_some() { "subject = $2" } else { "$2 IS NULL" };
            tx.all(&SQLITE.replace("{whose}", whose).replace("{mine}", mine), values, row).await?
        }
        Dialect::Postgres => {
            let whose = if of.is_some() { "events.uid = $3" } else { "$3::uuid IS NULL" };
            let transaction = from.transaction.to_string();
            let values = values![tenant, subject, of, from.row, limit, &transaction];
            let mine = if subject.is_some() { "subject = $2" } else { "$2::text IS NULL" };
            tx.all(&POSTGRES.replace("{whose}", whose).replace("{mine}", mine), values, row).await?
        }
    };
    let head = rows.first().map_or(from, |(head, _)| *head);
    let told: Vec<_> = rows.into_iter().filter_map(|(_, told)| told).collect();
    let next = match told.last() {
        Some(last) if u64::from(limit) == told.len() as u64 => last.event.cursor,
        // A place that was given out is never taken back.
        _ => after.map_or(head, |after| after.max(head)),
    };
    Ok(Tidings { told, next })
}

const SQLITE: &str = "SELECT '0' AS head_xact, head.head, '0' AS xact, told.* \
    FROM (SELECT coalesce(max(cursor), 0) AS head FROM events) AS head LEFT JOIN ( \
    SELECT events.cursor, events.uid, sequence, at, kind, events.detail, sessions.id FROM events \
    JOIN sessions ON sessions.uid = events.uid WHERE tenant = $1 AND {mine} AND {whose} \
    AND cursor > $4 ORDER BY cursor LIMIT $5) AS told ON 1 ORDER BY told.cursor";

const POSTGRES: &str = "SELECT head.head::text AS head_xact, 0::bigint AS head, told.* \
    FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS head) AS head LEFT JOIN LATERAL ( \
    SELECT events.xact::text AS xact, events.cursor, events.uid, sequence, at, kind, events.detail, sessions.id \
    FROM events JOIN sessions ON sessions.uid = events.uid WHERE tenant = $1 AND {mine} AND {whose} \
    AND (events.xact, cursor) > ($6::text::xid8, $4) AND events.xact < head.head \
    ORDER BY events.xact, cursor LIMIT $5) AS told ON TRUE ORDER BY told.xact::xid8, told.cursor";

fn row(row: Row<'_>) -> Result<(Cursor, Option<Told>), Error> {
    let transaction = row.text("head_xact")?.parse();
    let transaction = transaction.map_err(|_| Error::Corrupt("head_xact is no transaction".to_owned()))?;
    let head = Cursor { transaction, row: row.unsigned("head")? };
    if row.get::<Option<i64>>("cursor")?.is_none() {
        return Ok((head, None));
    }
    let id: SessionId = row.text("id")?.parse()?;
    Ok((head, Some(Told { id, event: events::event(row)? })))
}
