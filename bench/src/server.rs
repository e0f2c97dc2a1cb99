//! A `podling up` to measure, and the sessions on it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use podling_e2e::{podling::Podling, wait::until};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{
    http::Http,
    proc,
    viewer::{Mode, Viewer},
};

/// How long an ended session may take to leave nothing behind.
const GONE: Duration = Duration::from_secs(30);
/// Of the log.
const LAST_LINES: usize = 20;
/// How long the pool may take to be full.
const FILLED: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    /// Measures run on plain threads; this serves what starts and ends things around them.
    runtime: Runtime,
    podling: Podling,
    /// HOST:PORT.
    pub(crate) address: String,
}

/// A session, ended when it is no longer needed.
pub(crate) struct Session<'a> {
    server: &'a Server,
    pub(crate) uid: String,
    /// Opens it once.
    pub(crate) token: String,
    /// Stands in the environment of its command.
    mark: String,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Server> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let podling = runtime.block_on(Podling::start_with(arguments));
        let address = podling.url.strip_prefix("http://").context("it listens on a plain address")?.to_owned();
        Ok(Server { runtime, podling, address })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.podling.pid()
    }

    /// The end of its log, for whoever has to find out why a measure failed.
    pub(crate) fn last_words(&self) -> String {
        let log = self.podling.log();
        let lines: Vec<_> = log.lines().rev().take(LAST_LINES).collect();
        lines.into_iter().rev().map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn http(&self) -> anyhow::Result<Http> {
        Http::open(&self.address)
    }

    /// Waits until so many runners are warm: on the line, and nobody's.
    pub(crate) fn warmed(&self, runners: usize) {
        self.runtime.block_on(until("the pool is full", FILLED, async || {
            let mut warm = 0;
            for launch in self.podling.launches() {
                warm += usize::from(self.podling.is_claimable(&launch).await?);
            }
            if warm == runners { Ok(()) } else { Err(format!("{warm} are warm")) }
        }));
    }

    /// Waits until no runner is left.
    pub(crate) fn cleared(&self, within: Duration) {
        self.runtime.block_on(until("no runner is left", within, async || {
            let left = self.podling.launches().len();
            if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
        }));
    }

    pub(crate) fn run(&self, command: &str, env: &BTreeMap<String, String>) -> anyhow::Result<Session<'_>> {
        self.create(&mut self.http()?, command, env)
    }

    /// Creates a session over a connection that is open already.
    pub(crate) fn create(
        &self,
        http: &mut Http,
        command: &str,
        env: &BTreeMap<String, String>,
    ) -> anyhow::Result<Session<'_>> {
        let mark = format!("{:032x}", rand::random::<u128>());
        let mut env = env.clone();
        env.insert("BENCH_MARK".into(), mark.clone());
        let answer = http.post("/api/sessions", &json!({ "command": command, "env": env }))?;
        Ok(Session { server: self, uid: text(&answer, "uid")?, token: text(&answer, "token")?, mark })
    }

    /// SIGTERM, and the wait for its end.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let status = self.runtime.block_on(self.podling.terminate());
        anyhow::ensure!(status.success(), "podling ended with {status}");
        Ok(())
    }
}

impl Session<'_> {
    /// Attaches with the token that it came with.
    pub(crate) fn attach(&self, mode: Mode) -> anyhow::Result<Viewer> {
        Viewer::attach(&self.server.address, &self.uid, &self.token, mode)
    }

    /// Comes back after a cut, to what follows `from`.
    pub(crate) fn resume(&self, token: &str, mode: Mode, from: u64) -> anyhow::Result<Viewer> {
        Viewer::resume(&self.server.address, &self.uid, token, mode, from)
    }

    /// A further token, which opens it once.
    pub(crate) fn token(&self, http: &mut Http) -> anyhow::Result<String> {
        text(&http.post(&format!("/api/sessions/{}/token", self.uid), &json!({}))?, "token")
    }

    /// Attaches with a further token.
    pub(crate) fn attach_with(&self, token: &str, mode: Mode) -> anyhow::Result<Viewer> {
        Viewer::attach(&self.server.address, &self.uid, token, mode)
    }

    /// Attaches with a further token, and asks for so many lines above the screen.
    pub(crate) fn join(&self, token: &str, history: u32) -> anyhow::Result<Viewer> {
        Viewer::join(&self.server.address, &self.uid, token, history)
    }

    /// One more viewer, with a token of its own.
    pub(crate) fn another(&self, http: &mut Http, mode: Mode) -> anyhow::Result<Viewer> {
        self.attach_with(&self.token(http)?, mode)
    }

    /// The process of its runner; its command runs.
    pub(crate) fn runner(&self) -> anyhow::Result<i32> {
        proc::runner_of(&self.mark)
    }

    /// Deletes it, and waits for nothing.
    pub(crate) fn delete(self, http: &mut Http) -> anyhow::Result<()> {
        http.delete(&format!("/api/sessions/{}", self.uid))
    }

    /// Deletes it and waits until nothing of it is left that could disturb what is measured next.
    pub(crate) fn end(self) {
        let Session { server, uid, .. } = self;
        server.runtime.block_on(async {
            server.podling.delete(&format!("/api/sessions/{uid}")).await;
            server.podling.released(&uid, GONE).await;
        });
    }
}

fn text(json: &Value, field: &str) -> anyhow::Result<String> {
    Ok(json[field].as_str().with_context(|| format!("{field} is missing in {json}"))?.to_owned())
}
