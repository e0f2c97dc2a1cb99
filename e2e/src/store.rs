//! The store itself, as no API shows it.

use std::path::PathBuf;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

/// A connection to a Postgres, for as long as it is kept.
pub struct Database {
    pub client: Client,
    _driving: JoinSet<Result<(), tokio_postgres::Error>>,
}

impl Database {
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(url: &str) -> anyhow::Result<Database> {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context("the store cannot be looked at")?;
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        Ok(Database { client, _driving: driving })
    }
}

/// Where a Podling keeps its rows.
pub enum Store {
    /// SQLite's file.
    File(PathBuf),
    Postgres(Database),
}

impl Store {
    /// The first column of the first row, which is text, of a query with the parameter `$1`, which is text. Both
    /// databases must take it: a uid is text as `CAST(uid AS text)`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn text(&self, sql: &str, value: &str) -> Result<Option<Option<String>>, String> {
        match self {
            Store::File(path) => {
                let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
                let row = store.and_then(|store| store.query_row(sql, [value], |row| row.get(0)).optional());
                row.map_err(|error| error.to_string())
            }
            Store::Postgres(database) => {
                let row = database.client.query_opt(sql, &[&value]).await;
                row.map(|row| row.map(|row| row.get(0))).map_err(|error| format!("{error:?}"))
            }
        }
    }

    /// How many rows of a table belong to a session and fulfil a condition.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count(&self, table: &str, uid: &str, condition: &str) -> Result<u64, String> {
        let sql = format!("SELECT CAST(count(*) AS text) FROM {table} WHERE CAST(uid AS text) = $1 AND {condition}");
        let count = self.text(&sql, uid).await?.flatten();
        count.and_then(|count| count.parse().ok()).ok_or_else(|| "no count".to_owned())
    }

    /// Every row of every table as text, bytes in hexadecimal; nothing of a file, which lies below the data directory.
    pub async fn dump(&self) -> Vec<String> {
        let Store::Postgres(Database { client, .. }) = self else { return Vec::new() };
        let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
        let mut rows = Vec::new();
        for table in client.query(tables, &[]).await.expect("the list of tables") {
            let every = format!("SELECT t::text FROM {} t", table.get::<_, String>(0));
            let found = client.query(&every, &[]).await.expect("every row");
            rows.extend(found.iter().map(|row| row.get::<_, String>(0)));
        }
        rows
    }
}
