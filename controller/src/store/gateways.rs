//! Gateways, by what they say of themselves.

use std::time::Duration;

use podling_session::operator::{GatewayReport, GatewayRow};

use super::{
    clock::millis,
    error::Error,
    tx::Tx,
    value::{Row, values},
};

/// How long a gateway that is gone is remembered.
const REMEMBERED: i64 = 3_600 * 1_000;

const COLUMNS: &str = "id, address, viewers, draining, embedded, version, started_at, seen_at, drain_ordered_at";

/// Whether it is to drain.
pub(super) async fn report(tx: &Tx<'_>, report: &GatewayReport) -> Result<bool, Error> {
    tx.execute("DELETE FROM gateways WHERE seen_at <= $1", values![tx.now() - REMEMBERED]).await?;
    let sql = "INSERT INTO gateways (id, address, viewers, draining, embedded, version, started_at, seen_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
        ON CONFLICT (id) DO UPDATE SET address = $2, viewers = $3, draining = $4, seen_at = $7 \
        RETURNING drain_ordered_at";
    let GatewayReport { id, address, viewers, draining, embedded, version } = report;
    let values = values![id, address, *viewers, i64::from(*draining), i64::from(*embedded), version, tx.now()];
    let ordered = tx.first(sql, values, |row| row.time("drain_ordered_at")).await?;
    Ok(ordered.flatten().is_some())
}

pub(super) async fn list(tx: &Tx<'_>, within: Duration) -> Result<Vec<GatewayRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM gateways WHERE seen_at > $1 ORDER BY started_at, id");
    tx.all(&sql, values![tx.now() - millis(within)], gateway).await
}

pub(super) async fn drain(tx: &Tx<'_>, id: &str, within: Duration) -> Result<Option<GatewayRow>, Error> {
    let sql = format!(
        "UPDATE gateways SET drain_ordered_at = COALESCE(drain_ordered_at, $2) \
        WHERE id = $1 AND seen_at > $3 AND embedded = 0 RETURNING {COLUMNS}"
    );
    tx.first(&sql, values![id, tx.now(), tx.now() - millis(within)], gateway).await
}

fn gateway(row: Row<'_>) -> Result<GatewayRow, Error> {
    let report = GatewayReport {
        id: row.text("id")?,
        address: row.text("address")?,
        viewers: row.small("viewers")?,
        draining: row.small("draining")? == 1,
        embedded: row.small("embedded")? == 1,
        version: row.text("version")?,
    };
    Ok(GatewayRow {
        report,
        started_at: row.timestamp("started_at")?,
        seen_at: row.timestamp("seen_at")?,
        drain_ordered_at: row.time("drain_ordered_at")?,
    })
}
