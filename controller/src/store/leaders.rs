//! What one controller does for all of them.

use std::time::Duration;

use super::{clock::millis, error::Error, tx::Tx, value::values};

/// The compare-and-set: a lease that runs is its holder's alone.
pub(super) async fn lead(tx: &Tx<'_>, name: &str, holder: &str, span: Duration) -> Result<bool, Error> {
    let sql = "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3) \
        ON CONFLICT (name) DO UPDATE SET holder = $2, until = $3 WHERE leases.holder = $2 OR leases.until <= $4";
    Ok(tx.execute(sql, values![name, holder, tx.now() + millis(span), tx.now()]).await? == 1)
}

pub(super) async fn resign(tx: &Tx<'_>, name: &str, holder: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM leases WHERE name = $1 AND holder = $2", values![name, holder]).await?;
    Ok(())
}
