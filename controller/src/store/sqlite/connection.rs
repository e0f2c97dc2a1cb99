//! Opening the database file.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags};

use crate::store::{error::Error, tx::Kind};

/// The schema, oldest first. What was once released is never edited.
const MIGRATIONS: [(&str, &str); 8] = [
    ("V1__sessions", include_str!("../../../migrations/sqlite/V1__sessions.sql")),
    ("V2__warm_runners", include_str!("../../../migrations/sqlite/V2__warm_runners.sql")),
    ("V3__replicas", include_str!("../../../migrations/sqlite/V3__replicas.sql")),
    ("V4__audit", include_str!("../../../migrations/sqlite/V4__audit.sql")),
    ("V5__keys", include_str!("../../../migrations/sqlite/V5__keys.sql")),
    ("V6__quotas", include_str!("../../../migrations/sqlite/V6__quotas.sql")),
    ("V7__gateways", include_str!("../../../migrations/sqlite/V7__gateways.sql")),
    ("V8__shares", include_str!("../../../migrations/sqlite/V8__shares.sql")),
];

/// Nobody else writes to the file, but for a person with a shell: then a caller had better hear of it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// The statements of this module are fewer.
const CACHED_STATEMENTS: usize = 128;

pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    keep_to_owner(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // WAL: a process that is killed loses nothing that was committed. What is erased is overwritten with zeros.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Makes the file, or closes one that is there to everybody else; SQLite gives its other files the same mode.
fn keep_to_owner(path: &Path) -> Result<(), std::io::Error> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let parse = |(name, sql): &(&str, &str)| Migration::unapplied(name, sql).map_err(Box::new);
    let migrations = MIGRATIONS.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    Runner::new(&migrations).run(connection).map_err(Box::new)?;
    Ok(())
}

/// What becomes of the transactions that follow in a power failure; cannot be changed within one.
pub(super) fn make_durable(connection: &Connection, kind: Kind) -> rusqlite::Result<()> {
    connection.execute_batch(match kind {
        Kind::Promise | Kind::Chore => "PRAGMA synchronous = FULL",
        Kind::Hint | Kind::Look => "PRAGMA synchronous = NORMAL",
    })
}
