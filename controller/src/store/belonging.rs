//! The data directory to which a database that several controllers share belongs.

use uuid::Uuid;

use super::{
    error::Error,
    tx::Tx,
    value::{Row, values},
};

/// The first that asks has it, and so have all that name the same one. It answers which that is.
pub(super) async fn bind(tx: &Tx<'_>, directory: Uuid) -> Result<Uuid, Error> {
    // Waits for another that is just writing, and leaves its row as it is.
    let sql = "INSERT INTO data_dir (one, id) VALUES (1, $1) ON CONFLICT (one) DO NOTHING";
    tx.execute(sql, values![directory.to_string().as_str()]).await?;
    let read = |row: Row<'_>| row.get::<String>("id");
    let bound = tx.first("SELECT id FROM data_dir", &[], read).await?;
    let bound = bound.and_then(|id| id.parse().ok());
    bound.ok_or_else(|| Error::Corrupt("the id of the data directory cannot be read".to_owned()))
}
