//! One service's process.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{podling::built, process};

/// Builds without optimisation on a busy machine start slowly.
const START: Duration = Duration::from_secs(30);
/// A drain sends viewers away over ten seconds and lets calls end.
const STOP: Duration = Duration::from_secs(40);
const BETWEEN: Duration = Duration::from_millis(50);

/// A service's process, and how to start it again.
pub(super) struct Service {
    pub(super) name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// What makes its clock a wrong one.
    pub(super) clock: Vec<(&'static str, String)>,
    pub(super) port: u16,
    log: PathBuf,
    child: Option<Child>,
}

impl Service {
    pub(super) fn new(
        home: &Path,
        (role, place): (&str, usize),
        port: u16,
        arguments: Vec<String>,
        urls: &[(&str, &String)],
    ) -> Service {
        let name = format!("{role}-{place}");
        Service {
            program: built(&format!("podling-{role}")),
            log: home.join(format!("{name}.log")),
            name,
            arguments,
            environment: urls.iter().map(|(name, url)| ((*name).to_owned(), (*url).clone())).collect(),
            clock: Vec::new(),
            port,
            child: None,
        }
    }

    /// Returns once it serves.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().append(true).create(true).open(&self.log)?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(self.clock.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.with_context(|| format!("cannot start {}", self.program.display()))?);
        let (deadline, url) = (Instant::now() + START, format!("http://127.0.0.1:{}/servez", self.port));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(1)).build()?;
        loop {
            match client.get(&url).send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                _ if self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_)))) => {
                    bail!("{} ended at its start\n{}", self.name, self.end_of_log());
                }
                _ if Instant::now() >= deadline => {
                    bail!("{} does not serve after {START:?}\n{}", self.name, self.end_of_log());
                }
                _ => sleep(BETWEEN).await,
            }
        }
    }

    pub(super) async fn end(&mut self, signal: Signal) -> anyhow::Result<()> {
        process::signal(self.pid()?, signal);
        let mut child = self.child.take().context("it runs")?;
        let status = timeout(STOP, child.wait()).await.with_context(|| format!("{} does not end", self.name))??;
        ensure!(signal == Signal::KILL || status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    pub(super) fn pid(&self) -> anyhow::Result<i32> {
        let pid = self.child.as_ref().and_then(Child::id).with_context(|| format!("{} does not run", self.name))?;
        Ok(pid.try_into()?)
    }

    pub(super) fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        format!("-- {}\n{}\n", self.name, lines[lines.len().saturating_sub(40)..].join("\n"))
    }
}
