//! Statements on a connection of the pool.

use deadpool_postgres::Client;
use tokio_postgres::{Row, SimpleQueryMessage, types::ToSql};

use crate::store::{error::Error, value::Value};

/// What controllers listen to. A notification has no payload: it says that something changed.
pub(super) const CHANNEL: &str = "podling";

/// Opens a transaction, and tells the milliseconds since the epoch.
pub(super) async fn begin(client: &Client) -> Result<i64, Error> {
    let sql = "BEGIN; SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let messages = client.simple_query(sql).await?;
    let now = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    now.ok_or_else(|| Error::Corrupt("the database does not tell the time".to_owned()))
}

/// Commits or rolls back. Whoever listens hears of a change when it can be seen.
pub(super) async fn end(client: &Client, keep: bool, changed: bool) -> Result<(), Error> {
    let sql = match (keep, changed) {
        (false, _) => "ROLLBACK".to_owned(),
        (true, false) => "COMMIT".to_owned(),
        (true, true) => format!("NOTIFY {CHANNEL}; COMMIT"),
    };
    Ok(client.batch_execute(&sql).await?)
}

/// Until the transaction ends.
pub(in crate::store) async fn lock(client: &Client, name: &'static str) -> Result<(), Error> {
    query(client, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[Value::from(name)]).await?;
    Ok(())
}

pub(in crate::store) async fn execute(client: &Client, sql: &str, values: &[Value<'_>]) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute_raw(&statement, parameters(values)).await?)
}

pub(in crate::store) async fn query(client: &Client, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    let parameters: Vec<_> = parameters(values).collect();
    Ok(client.query(&statement, &parameters).await?)
}

fn parameters<'a>(values: &'a [Value<'a>]) -> impl ExactSizeIterator<Item = &'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync))
}
