//! Some controllers and as many gateways, processes of their own, with a database of their own.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use podling_e2e::{podling::built, process, wait::until};
use podling_servers::{Postgres, Redis};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::load;
use crate::{
    http::Http,
    viewer::{Mode, Viewer},
};

/// Sessions whose tokens are redeemed: enough that no runner is what is measured.
const SESSIONS: usize = 4;
/// How long ended sessions may take to leave nothing behind.
const GONE: Duration = Duration::from_secs(30);
/// Fails as long as one is held.
const RELEASED: &str = "DO $$ BEGIN IF EXISTS (SELECT FROM sessions WHERE release = 'held') THEN RAISE 'one is held'; \
    END IF; END $$";
/// Of each log.
const LAST_LINES: usize = 20;
/// A session that is created is due then, and not while it would disturb.
pub(super) const NOT_YET: &str = "
    CREATE FUNCTION not_yet() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.due_at := NEW.due_at + 3600000; RETURN NEW; END';
    CREATE TRIGGER not_yet BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION not_yet();";

/// Sessions that wait for a runner, and their places in the quotas.
pub(super) const FORGET: [&str; 3] = [
    "DELETE FROM sessions WHERE phase = 'pending'",
    "UPDATE quotas SET held = (SELECT count(*) FROM sessions)",
    "VACUUM ANALYZE",
];

pub(super) struct Set {
    /// Gateways last.
    services: Vec<Service>,
    apis: Vec<String>,
    gateways: Vec<String>,
    key: String,
    sessions: Vec<String>,
    /// For the database, between measures.
    runtime: Runtime,
    database: String,
    _home: TempDir,
}

struct Service {
    child: Child,
    /// Open, or what it says would be an error.
    _said: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Set {
    pub(super) fn start(replicas: usize, postgres: &Postgres, redis: &Redis) -> anyhow::Result<Set> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let home = tempfile::Builder::new().prefix("podling-bench-").tempdir()?;
        let database = postgres.url(&runtime.block_on(postgres.database()));
        let service_key = home.path().join("service.key");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&service_key)?;
        writeln!(file, "{:064x}", rand::random::<u128>())?;
        let plan = Plan { home: home.path(), service_key: &service_key, database: &database, redis: redis.url() };
        let (mut services, mut apis, mut gateways, mut sockets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for place in 0..replicas {
            let (service, address) = plan.controller(place)?;
            services.push(service);
            apis.push(address);
            let known = |path: &PathBuf| sockets.contains(path);
            let socket = plan.sockets()?.into_iter().find(|path| !known(path)).context("it has no socket")?;
            sockets.push(socket);
        }
        for (place, socket) in sockets.iter().enumerate() {
            let (service, address) = plan.gateway(place, socket)?;
            services.push(service);
            gateways.push(address);
        }
        let key = std::fs::read_to_string(plan.data_dir().join("operator.key"))?.trim().to_owned();
        let mut set = Set { services, apis, gateways, key, sessions: Vec::new(), runtime, database, _home: home };
        set.sessions = (0..SESSIONS).map(|_| set.run()).collect::<anyhow::Result<_>>()?;
        set.execute(&[NOT_YET])?;
        Ok(set)
    }

    fn http(&self, caller: usize) -> anyhow::Result<Http> {
        Http::open_with_key(&self.apis[caller % self.apis.len()], &self.key)
    }

    /// A session whose command has begun.
    fn run(&self) -> anyhow::Result<String> {
        let session = self.http(0)?.post("/api/sessions", &json!({ "command": "echo ready; exec sleep 10000" }))?;
        let uid = text(&session, "uid")?;
        let mut viewer = Viewer::attach(&self.gateways[0], &uid, &text(&session, "token")?, Mode::Live)?;
        viewer.sees(b"ready")?;
        Ok(uid)
    }

    /// Creates in a second.
    pub(super) fn creates(&self, window: Duration) -> anyhow::Result<f64> {
        let rate = load::rate(window, |caller| {
            let mut http = self.http(caller)?;
            Ok(move || http.post("/api/sessions", &json!({ "command": "true" })).map(|_| ()))
        })?;
        // What sweeps and lists look at is the same in the next round.
        self.execute(&FORGET)?;
        Ok(rate)
    }

    /// Tokens that are made and spent in a second.
    pub(super) fn redeems(&self, window: Duration) -> anyhow::Result<f64> {
        load::rate(window, |caller| {
            let mut http = self.http(caller)?;
            let uid = &self.sessions[caller % SESSIONS];
            let gateway = &self.gateways[caller % self.gateways.len()];
            Ok(move || {
                let token = text(&http.post(&format!("/api/sessions/{uid}/token"), &json!({}))?, "token")?;
                Viewer::attach(gateway, uid, &token, Mode::Live)?.may_come_back()
            })
        })
    }

    fn execute(&self, statements: &[&str]) -> anyhow::Result<()> {
        self.runtime.block_on(super::raw::execute(&self.database, statements))
    }

    /// The end of each log, for whoever has to find out why a measure failed.
    pub(super) fn last_words(&self) -> String {
        let end = |service: &Service| {
            let log = std::fs::read_to_string(&service.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            format!("-- {}\n{}\n", service.log.display(), lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
        };
        self.services.iter().map(end).collect()
    }

    /// Ends the sessions, and then every service as an operator does.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        let mut http = self.http(0)?;
        self.sessions.iter().try_for_each(|uid| http.delete(&format!("/api/sessions/{uid}")))?;
        // Nothing of them is left to run on without a controller.
        self.runtime.block_on(until("the sessions are released", GONE, async || {
            super::raw::execute(&self.database, &[RELEASED]).await
        }));
        while let Some(mut service) = self.services.pop() {
            service.signal(Signal::TERM)?;
            let status = service.child.wait()?;
            ensure!(status.success(), "{} ended with {status}", service.log.display());
        }
        Ok(())
    }
}

/// What the services of a set are started with.
struct Plan<'a> {
    home: &'a Path,
    service_key: &'a Path,
    database: &'a str,
    redis: String,
}

impl Plan<'_> {
    fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    fn sockets(&self) -> anyhow::Result<Vec<PathBuf>> {
        let entries = self.data_dir().join("control").read_dir()?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    fn controller(&self, place: usize) -> anyhow::Result<(Service, String)> {
        let mut command = self.service("podling-controller");
        command.arg("--data-dir").arg(self.data_dir()).env("PODLING_POSTGRES", self.database).args([
            "--warm-runners=0",
            "--start-deadline=1h",
            "--creates-per-minute=10000000",
            "--max-sessions-per-owner=10000000",
            "--max-sessions-per-tenant=10000000",
        ]);
        started(command, &self.home.join(format!("controller-{place}.log")))
    }

    /// Beside a controller of its own.
    fn gateway(&self, place: usize, socket: &Path) -> anyhow::Result<(Service, String)> {
        let mut command = self.service("podling-gateway");
        command.arg("--controller").arg(format!("unix:{}", socket.display())).arg("--drain-spread=0s");
        started(command, &self.home.join(format!("gateway-{place}.log")))
    }

    fn service(&self, program: &str) -> Command {
        let mut command = Command::new(built(program));
        command.args(["--listen", "127.0.0.1:0", "--service-key-file"]).arg(self.service_key);
        // Where they may hold a password, URLs are no arguments.
        command.env("PODLING_REDIS", &self.redis);
        command
    }
}

/// Starts a service, and waits until it says where it listens.
fn started(mut command: Command, log: &Path) -> anyhow::Result<(Service, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?).spawn()?;
    let mut said = BufReader::new(child.stdout.take().context("it is piped")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let service = Service { child, _said: said, log: log.to_owned() };
    let address = line.trim_end().rsplit(' ').next().filter(|address| !address.is_empty());
    let address = address.map(str::to_owned).with_context(|| std::fs::read_to_string(log).unwrap_or_default())?;
    Ok((service, address))
}

impl Service {
    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        process::signal(self.child.id().try_into()?, signal);
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}

fn text(json: &Value, field: &str) -> anyhow::Result<String> {
    Ok(json[field].as_str().with_context(|| format!("{field} is missing in {json}"))?.to_owned())
}
