//! What operators see: sessions of all tenants, and the counts of everything.

use podling_session::{
    id::Uid,
    operator::{Counts, Wanted},
    store::Page,
};

use super::{
    error::Error,
    listing::Listing,
    row::{self, SESSION},
    sessions::{add_labels, page},
    tx::Tx,
    value::Row,
};

pub(super) async fn sessions(tx: &Tx<'_>, wanted: &Wanted, after: Option<Uid>, limit: u32) -> Result<Page, Error> {
    let mut listing = Listing::begin(format!("SELECT {SESSION} FROM sessions WHERE incarnation > 0"));
    if !wanted.deleted {
        listing.say(" AND deleted_at IS NULL");
    }
    listing
        .add_if(" AND uid < ", after)
        .add_if(" AND tenant = ", wanted.tenant.as_ref())
        .add_if(" AND subject = ", wanted.subject.as_ref())
        .add_if(" AND phase = ", wanted.phase.as_ref())
        .add_if(" AND id = ", wanted.id.as_ref());
    add_labels(&mut listing, &wanted.labels);
    listing.add(" ORDER BY uid DESC LIMIT ", (i64::from(limit) + 1).into(), "");
    page(tx.all(&listing.sql, &listing.values, row::session).await?, limit)
}

pub(super) async fn counts(tx: &Tx<'_>) -> Result<Counts, Error> {
    let phases = "SELECT phase, COUNT(*) AS number FROM sessions GROUP BY phase";
    let read = |row: Row<'_>| Ok((row.text("phase")?, row.unsigned("number")?));
    let sessions = tx.all(phases, &[], read).await?.into_iter().collect();
    let all = "SELECT (SELECT COUNT(*) FROM sessions WHERE release = 'held') AS held, \
        (SELECT CAST(COALESCE(SUM(viewers), 0) AS BIGINT) FROM sessions WHERE phase <> 'ended') AS viewers, \
        (SELECT COUNT(DISTINCT tenant) FROM sessions) AS tenants, \
        (SELECT COUNT(*) FROM runners WHERE uid IS NULL AND registered_at IS NOT NULL) AS warm";
    let counts = tx
        .first(all, &[], |row| {
            Ok(Counts {
                sessions,
                held: row.unsigned("held")?,
                viewers: row.unsigned("viewers")?,
                tenants: row.unsigned("tenants")?,
                warm_runners: row.unsigned("warm")?,
            })
        })
        .await?;
    Ok(counts.unwrap_or_default())
}
