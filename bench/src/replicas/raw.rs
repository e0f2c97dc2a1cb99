//! What the services ask of Postgres and Redis, asked by a loop: the same statements, prepared, on as many connections.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use podling_servers::{Postgres, Redis};
use redis::aio::MultiplexedConnection;
use tokio::{runtime::Runtime, task::JoinSet};
use tokio_postgres::{Client, Connection, NoTls, Socket, Statement, tls::NoTlsStream, types::ToSql};
use uuid::Uuid;

use super::{CALLERS, set};

/// The tables.
const SCHEMA: [&str; 4] = [
    include_str!("../../../controller/migrations/postgres/V1__sessions.sql"),
    include_str!("../../../controller/migrations/postgres/V4__keys.sql"),
    include_str!("../../../controller/migrations/postgres/V5__quotas.sql"),
    include_str!("../../../controller/migrations/postgres/V7__shares.sql"),
];
/// The rate limiter.
const SCRIPT: &str = include_str!("../../../controller/src/limit/gcra.lua");
const BEGIN: &str = "BEGIN; SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
const KEY: &str = "id, hash, old_hash, old_until, tenant, subject, role, scopes, name, created_at, expires_at, \
    last_used_at, revoked_at";
const SESSION: &str = "uid, id, tenant, subject, incarnation, phase, stage, end_reason, exit_code, detail, release, spec, \
    created_at, started_at, ended_at, deleted_at, last_activity_at, isolation, log_first, log_end, viewers, \
    deadline_millis, idle_millis";
const INSERT: &str = "INSERT INTO sessions (uid, tenant, subject, id, spec, created_at, start_deadline_at, deadline_millis, \
    idle_millis, sealed_key, sealed_secrets, last_activity_at, due_at, incarnation, phase, release, events) VALUES ($1, $2, \
    $3, $4, $5, $6, $7, $8, $9, $10, $11, $6, $6, 1, 'pending', 'held', 1) ON CONFLICT DO NOTHING RETURNING ";
const EVENT: &str = "INSERT INTO events (uid, sequence, at, kind, detail) VALUES ($1, $2, $3, $4, $5)";
const QUOTA: &str = "INSERT INTO quotas (scope, tenant, subject, held) SELECT $1, $2, $3, 1 \
    WHERE CAST($4 AS BIGINT) > 0 AND CAST($5 AS BIGINT) > 0 ON CONFLICT (scope, tenant, subject) \
    DO UPDATE SET held = quotas.held + 1 WHERE quotas.held < $4 AND quotas.stored_bytes < $5";
/// The controller puts it together from what lies between its parameters.
const NAMED: &str = "FROM sessions WHERE deleted_at IS NULL AND tenant = $1 AND subject = $2 AND (id = $3 OR uid = $4)";
/// Whom the key belongs to that callers show.
const CALLER: &str = "INSERT INTO api_keys (id, hash, tenant, subject, role, created_at) \
    VALUES ('key', decode(repeat('07', 32), 'hex'), 'local:user:owner', 'owner', 'operator', 0)";
const SEALED: &str = "SELECT sealed_key, sealed_secrets FROM sessions WHERE uid = $1";
/// About what the spec of a session without wishes takes.
const SPEC_BYTES: usize = 300;
/// More than is ever reached.
const PLENTY: i64 = 1 << 40;
const TENANT: &str = "local:user:owner";
const OWNER: &str = "owner";

pub(super) struct Raw {
    runtime: Runtime,
    database: String,
    connections: Vec<Asking>,
    /// Connections to Postgres; end with this.
    _carried: JoinSet<()>,
}

#[derive(Clone, Copy)]
enum Deed {
    Create,
    Redeem,
}

/// One caller's connections and what it asks over them.
#[derive(Clone)]
struct Asking {
    client: Arc<Client>,
    redis: MultiplexedConnection,
    sql: Prepared,
    /// A session that tokens are for.
    uid: Uuid,
    spec: String,
}

#[derive(Clone)]
struct Prepared {
    key: Statement,
    insert: Statement,
    event: Statement,
    quota: Statement,
    named: Statement,
    found: Statement,
    sealed: Statement,
}

impl Raw {
    pub(super) fn start(postgres: &Postgres, redis: &Redis) -> anyhow::Result<Raw> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let database = postgres.url(&runtime.block_on(postgres.database()));
        let (mut carried, mut connections) = (JoinSet::new(), Vec::new());
        runtime.block_on(async {
            execute(&database, &[&SCHEMA[..], &[set::NOT_YET, CALLER]].concat()).await?;
            // Each process of Podling has one connection to Redis, which all of its callers share.
            let redis = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
            for _ in 0..CALLERS {
                let (client, connection) = tokio_postgres::connect(&database, NoTls).await?;
                carried.spawn(carry(connection));
                let sql = Prepared::on(&client).await?;
                let (uid, spec) = (Uuid::new_v4(), format!("{:SPEC_BYTES$}", "{}"));
                connections.push(Asking { client: client.into(), redis: redis.clone(), sql, uid, spec });
            }
            anyhow::Ok(())
        })?;
        Ok(Raw { runtime, database, connections, _carried: carried })
    }

    /// The commands of so many creates in a second.
    pub(super) fn creates(&self, window: Duration) -> anyhow::Result<f64> {
        let rate = self.rate(window, Deed::Create)?;
        self.runtime.block_on(execute(&self.database, &set::FORGET))?;
        Ok(rate)
    }

    /// The commands of so many redeems in a second.
    pub(super) fn redeems(&self, window: Duration) -> anyhow::Result<f64> {
        for asking in &self.connections {
            self.runtime.block_on(asking.create(asking.uid))?;
        }
        let rate = self.rate(window, Deed::Redeem)?;
        self.runtime.block_on(execute(&self.database, &set::FORGET))?;
        Ok(rate)
    }

    fn rate(&self, window: Duration, deed: Deed) -> anyhow::Result<f64> {
        let started = Instant::now();
        let done = self.runtime.block_on(async {
            let mut callers = JoinSet::new();
            for asking in &self.connections {
                callers.spawn(asking.clone().repeat(deed, started + window));
            }
            callers.join_all().await.into_iter().sum::<anyhow::Result<u32>>()
        })?;
        Ok(f64::from(done) / started.elapsed().as_secs_f64())
    }
}

impl Prepared {
    async fn on(client: &Client) -> anyhow::Result<Prepared> {
        let found = format!("SELECT {SESSION} FROM sessions WHERE uid = $1");
        Ok(Prepared {
            key: client.prepare(&format!("SELECT {KEY} FROM api_keys WHERE id = $1")).await?,
            insert: client.prepare(&format!("{INSERT}{SESSION}")).await?,
            event: client.prepare(EVENT).await?,
            quota: client.prepare(QUOTA).await?,
            named: client.prepare(&format!("SELECT {SESSION} {NAMED}")).await?,
            found: client.prepare(&found).await?,
            sealed: client.prepare(SEALED).await?,
        })
    }
}

impl Asking {
    /// How often it was done.
    async fn repeat(self, deed: Deed, until: Instant) -> anyhow::Result<u32> {
        let mut done = 0;
        loop {
            match deed {
                Deed::Create => self.create(Uuid::new_v4()).await?,
                Deed::Redeem => self.redeem().await?,
            }
            done += 1;
            if Instant::now() >= until {
                return Ok(done);
            }
        }
    }

    async fn create(&self, uid: Uuid) -> anyhow::Result<()> {
        let (client, sql) = (&self.client, &self.sql);
        client.query(&sql.key, &[&"key"]).await?;
        let mut allowance = redis::cmd("EVAL");
        allowance.arg(SCRIPT).arg(1).arg("rate:bench").arg(6).arg(60_000_000);
        let _: redis::Value = allowance.query_async(&mut self.redis.clone()).await?;
        self.ping().await?;
        client.simple_query(BEGIN).await?;
        let (hour, key, none): (i64, &[u8], Option<&[u8]>) = (3_600_000, &[7; 60], None);
        let name = uid.to_string();
        let values: [&(dyn ToSql + Sync); 11] =
            [&uid, &TENANT, &OWNER, &name, &self.spec, &hour, &hour, &hour, &hour, &key, &none];
        client.query(&sql.insert, &values).await?;
        let told = ("session.created", "The session was created.");
        client.execute(&sql.event, &[&uid, &1_i64, &hour, &told.0, &told.1]).await?;
        client.execute(&sql.quota, &[&"owner", &TENANT, &OWNER, &PLENTY, &PLENTY]).await?;
        client.execute(&sql.quota, &[&"tenant", &TENANT, &"", &PLENTY, &PLENTY]).await?;
        Ok(client.batch_execute("NOTIFY podling; COMMIT").await?)
    }

    /// Makes a token, and admits its holder.
    async fn redeem(&self) -> anyhow::Result<()> {
        let (client, sql) = (&self.client, &self.sql);
        client.query(&sql.key, &[&"key"]).await?;
        client.query(&sql.named, &[&TENANT, &OWNER, &self.uid.to_string(), &self.uid]).await?;
        self.ping().await?;
        client.query(&sql.found, &[&self.uid]).await?;
        client.query(&sql.sealed, &[&self.uid]).await?;
        self.ping().await?;
        let mut claim = redis::cmd("SET");
        claim.arg(format!("token:{}", Uuid::new_v4())).arg("A".repeat(22)).arg(&["NX", "GET", "EX"]).arg(900);
        let earlier: Option<String> = claim.query_async(&mut self.redis.clone()).await?;
        earlier.is_none().then_some(()).context("a token was claimed twice")
    }

    /// Asks for the time, as whoever makes or checks a token does.
    async fn ping(&self) -> anyhow::Result<()> {
        self.client.simple_query(BEGIN).await?;
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// Statements on a connection of their own, each a transaction.
pub(super) async fn execute(database: &str, statements: &[&str]) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    let work = async {
        for statement in statements {
            client.batch_execute(statement).await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = work => done,
        () = carry(connection) => anyhow::bail!("the connection to Postgres was lost"),
    }
}

async fn carry(connection: Connection<Socket, NoTlsStream>) {
    let _ = connection.await; // Whoever asks over it learns of its end.
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source text without the breaks of its strings.
    fn unbroken(source: &str) -> String {
        source.split("\\\n").map(str::trim_start).collect()
    }

    #[test]
    fn the_statements_are_those_of_the_controller() {
        let check = |statement: &str, source: &str| {
            assert!(unbroken(source).contains(statement), "{statement}");
        };
        check(BEGIN, include_str!("../../../controller/src/store/postgres/statement.rs"));
        check(KEY, include_str!("../../../controller/src/store/keys.rs"));
        check(SESSION, include_str!("../../../controller/src/store/row.rs"));
        let sessions = include_str!("../../../controller/src/store/sessions.rs");
        check(INSERT, sessions);
        for part in
            ["FROM sessions WHERE deleted_at IS NULL", " AND tenant = ", " AND subject = ", " AND (id = ", " OR uid = "]
        {
            assert!(NAMED.contains(part), "{part}");
            check(part, sessions);
        }
        check(EVENT, include_str!("../../../controller/src/store/tx.rs"));
        check(QUOTA, include_str!("../../../controller/src/store/quotas.rs"));
        check(SEALED, include_str!("../../../controller/src/store/phases.rs"));
    }
}
