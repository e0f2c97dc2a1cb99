//! A Postgres of a test's own, or one that all tests of a binary share.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::{
    certificates,
    guarded::{self, Guarded},
    port::free_port,
    tree,
};

/// The port is open before: then it answers that it is starting up.
const READY: &str = "database system is ready to accept connections";
/// Starts, in case that others take the free ports meanwhile.
const ATTEMPTS: usize = 5;
const USER: &str = "podling";
const PASSWORD: &str = "secret-of-a-test";

/// Postgres on 127.0.0.1 with a password, with TLS for clients who ask for it. It does not survive a power failure.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    ca: String,
    databases: AtomicU32,
    running: Option<Guarded>,
}

impl Postgres {
    /// One of a test's own, to be stopped and started; that takes seconds.
    pub fn start() -> Postgres {
        let (folder, programs) = (guarded::folder("postgres"), programs());
        initialize(folder.path(), &programs);
        let made = certificates::certificates();
        let files = [("server.crt", &made.certificate), ("server.key", &made.key)];
        files.iter().for_each(|(name, pem)| guarded::write(&folder.path().join("data").join(name), pem));
        let databases = AtomicU32::new(0);
        let mut postgres = Postgres { folder, programs, port: 0, ca: made.ca, databases, running: None };
        let mut failures = Vec::new();
        for _ in 0..ATTEMPTS {
            postgres.port = free_port();
            match postgres.run() {
                Ok(server) => {
                    postgres.running = Some(server);
                    return postgres;
                }
                Err(said) => failures.push(said),
            }
        }
        panic!("Postgres does not start: {failures:#?}");
    }

    /// One that all tests of this process share. It ends with the process.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// The URL of a database of this server, which need not be there.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority. The certificate is for `localhost` and 127.0.0.1.
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// Makes an empty database and names it.
    pub async fn database(&self) -> String {
        self.copy_of("template0").await
    }

    /// Makes a database that is like another, to which nobody may be connected, and names it.
    pub async fn copy_of(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        name
    }

    /// Runs statements, on a connection of their own, as a superuser.
    pub async fn execute(&self, database: &str, sql: &str) {
        let connecting = tokio_postgres::connect(&self.url(database), NoTls).await;
        let (client, connection) = connecting.expect("Postgres accepts a connection");
        tokio::select! {
            done = client.batch_execute(sql) => done.expect("Postgres executes the statements"),
            lost = connection => panic!("the connection to Postgres was lost: {lost:?}"),
        }
    }

    /// Orderly, with open connections cut, and gone on return. Stopping again changes nothing.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// SIGKILL, and gone on return.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Runs again on the same port with what it had; ready on return.
    pub fn restart(&mut self) {
        self.stop();
        self.running = Some(self.run().expect("it ran before"));
    }

    /// SIGSTOP to all of it: connections stay open and nobody answers.
    pub fn pause(&self) {
        tree::signal_all(self.running.as_ref().expect("it runs").pid, Signal::STOP);
    }

    pub fn resume(&self) {
        tree::signal_all(self.running.as_ref().expect("it runs").pid, Signal::CONT);
    }

    fn end(&mut self, signal: Signal) {
        if let Some(mut server) = self.running.take() {
            server.end(signal);
        }
    }

    fn run(&self) -> Result<Guarded, String> {
        let mut words = guarded::unprivileged(self.programs.join("postgres").as_os_str());
        words.extend(["-D".into(), self.folder.path().join("data").into_os_string()]);
        words.extend(["-p".into(), OsString::from(self.port.to_string())]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=400",
            "ssl=on",
            "fsync=off",
            "full_page_writes=off",
            "lc_messages=C",
        ];
        words.extend(settings.iter().flat_map(|setting| ["-c".into(), OsString::from(setting)]));
        Guarded::start(self.folder.path(), "QUIT", &words, READY)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end(Signal::QUIT); // Immediate: nothing of it is wanted any more.
    }
}

fn initialize(folder: &Path, programs: &Path) {
    let password = folder.join("password");
    guarded::write(&password, PASSWORD);
    let words = guarded::unprivileged(programs.join("initdb").as_os_str());
    let (program, arguments) = words.split_first().expect("a command has a name");
    let output = Command::new(program)
        .args(arguments)
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"])
        .args([OsStr::new("--username"), OsStr::new(USER), OsStr::new("--pwfile"), password.as_os_str()])
        .arg("--pgdata")
        .arg(folder.join("data"))
        .current_dir("/")
        .output()
        .expect("initdb can be run");
    assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
}

/// Where Debian keeps the newest version, else where the search path has it.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| -> u32 { path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0) };
    let newest = versions.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").is_file()).max_by_key(number);
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    };
    newest.map(|path| path.join("bin")).or_else(on_path).expect("Postgres is installed: run `cargo xtask setup`")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn a_postgres_keeps_its_data_and_its_port_through_stop_kill_and_pause() {
        let mut postgres = Postgres::start();
        let database = postgres.database().await;
        postgres.execute(&database, "CREATE TABLE t AS SELECT 1 AS one").await;
        for end in [Postgres::stop, Postgres::kill] {
            end(&mut postgres);
            assert!(tokio_postgres::connect(&postgres.url(&database), NoTls).await.is_err());
            postgres.restart();
            postgres.execute(&database, "INSERT INTO t VALUES (2)").await;
        }
        postgres.pause();
        timeout(SOON, postgres.execute(&database, "SELECT 1")).await.expect_err("it is stopped");
        postgres.resume();
        let copy = postgres.copy_of(&database).await;
        postgres.execute(&copy, "SELECT 1 / (count(*) - 2) FROM t").await;
        let folder = postgres.folder.path().to_owned();
        drop(postgres);
        assert!(!folder.exists());
    }
}
