//! A whole controller in a directory of its own.

use std::{
    num::NonZeroU32,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::wait::until;
use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use podling_controller::{
    adapters::Database,
    admin_listen::AdminArgs,
    args::ControllerArgs,
    core::Core,
    listen::ControlArgs,
    run::{Config, Controller, RunnerBinary},
    sessions,
};
use podling_daemon::service_key::ServiceKeys;
use podling_session::{id::SessionId, phase::Phase, principal::Principal, session::Session, spec::Draft};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

/// Ends when it is asked to.
pub(super) const OBEDIENT: &str = r#"case "$*" in *--clean*) exit 0;; esac; exec sleep 600"#;
/// Ends when it is killed.
pub(super) const STUBBORN: &str = r#"case "$*" in *--clean*) exit 0;; esac; trap '' TERM; exec sleep 600"#;
/// Ends before it says a word.
pub(super) const SHORT: &str = r#"case "$*" in *--clean*) exit 0;; esac; exit 7"#;

/// What DESIGN gives the failures that these tests make.
pub(super) const PROMISED: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Whole {
    #[command(flatten)]
    args: ControllerArgs,
}

pub(super) struct World {
    pub(super) data: TempDir,
    controller: Option<Controller>,
}

impl World {
    pub(super) async fn start(script: &str) -> World {
        let data = tempfile::tempdir().expect("a directory");
        put_runner(data.path(), script);
        let controller = Some(start(data.path()).await);
        World { data, controller }
    }

    pub(super) fn core(&self) -> &Core {
        self.controller.as_ref().expect("it runs").core()
    }

    /// Without a word to sessions and runners.
    pub(super) async fn stop(&mut self) {
        self.controller.take().expect("it runs").close().await;
    }

    pub(super) async fn start_again(&mut self) {
        self.controller = Some(start(self.data.path()).await);
    }

    pub(super) async fn drain(&mut self) {
        self.controller.as_ref().expect("it runs").drain().await;
        self.stop().await;
    }

    pub(super) async fn create(&self) -> Session {
        self.create_for(&Principal::local_owner()).await
    }

    pub(super) async fn create_for(&self, caller: &Principal) -> Session {
        let draft = Draft { command: Some("true".to_owned()), ..Draft::default() };
        let request = sessions::Request { id: None, draft, idempotency: None };
        sessions::create(self.core(), caller, request).await.outcome.expect("a session").session
    }

    pub(super) async fn delete(&self, session: &Session) {
        sessions::delete(self.core(), &session.owner.clone().into(), &id(session)).await.expect("deletable");
    }

    /// The session once it is as asked.
    pub(super) async fn until(&self, session: &Session, what: &str, is: impl Fn(&Session) -> bool) -> Session {
        let deadline = Instant::now() + PROMISED;
        loop {
            let now = self.core().system.find(session.uid).await.expect("the store answers").expect("not pruned");
            if is(&now) {
                return now;
            }
            assert!(Instant::now() < deadline, "the session is not {what} in time: {now:?}");
            // Hints and a poll, like everybody else.
            timeout(Duration::from_millis(50), self.core().system.changed()).await.unwrap_or(());
        }
    }

    pub(super) async fn started(&self, session: &Session) -> Session {
        self.until(session, "launched", |now| matches!(now.phase, Phase::Starting { .. })).await
    }

    /// Until no session is held, no runner listed, and no directory left.
    pub(super) async fn nothing_left(&self) {
        let deadline = Instant::now() + PROMISED;
        loop {
            let held = self.core().system.held().await.expect("the store answers");
            let listed = self.core().launcher.list().await.expect("listable");
            if held.is_empty() && listed.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "left after the promised time: {held:?} {listed:?}");
            timeout(Duration::from_millis(50), self.core().system.changed()).await.unwrap_or(());
        }
        assert_eq!(self.directories(), Vec::<PathBuf>::new());
    }

    pub(super) fn directories(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.data.path().join("runners")).expect("readable");
        entries.map(|entry| entry.expect("readable").path()).collect()
    }

    /// The runner's process, once it has written it down.
    pub(super) async fn pid(&self, session: &Session) -> Pid {
        let file = self.data.path().join("runners").join(session.life().launch_name().as_str()).join("pid");
        until("the runner's word on who it is", PROMISED, async || {
            let stat = std::fs::read_to_string(&file).unwrap_or_default();
            stat.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw)
        })
        .await
    }

    pub(super) async fn kill_runner(&self, session: &Session) {
        kill_process(self.pid(session).await, Signal::KILL).expect("it lives");
    }
}

impl Drop for World {
    /// A test that failed leaves no runners either.
    fn drop(&mut self) {
        kill_runners(self.data.path());
    }
}

pub(super) fn kill_runners(data: &Path) {
    let entries = std::fs::read_dir(data.join("runners")).into_iter().flatten().flatten();
    for directory in entries.map(|entry| entry.path()) {
        let stat = std::fs::read_to_string(directory.join("pid")).unwrap_or_default();
        let pid = stat.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        // The number may be another process's by now; only a runner of this world has the directory as its own.
        let cwd = std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_pid()));
        if cwd.is_ok_and(|cwd| cwd == directory) {
            let _ = kill_process(pid, Signal::KILL); // It may just have died.
        }
    }
}

/// The program of all runners below a directory.
pub(super) fn put_runner(data: &Path, script: &str) {
    let path = data.join("runner.sh");
    std::fs::write(&path, script).expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("our file");
}

async fn start(data: &Path) -> Controller {
    start_on(data, Database::Sqlite).await
}

pub(super) async fn start_on(data: &Path, database: Database) -> Controller {
    try_start_on(data, database).await.expect("a controller")
}

pub(super) async fn try_start_on(data: &Path, database: Database) -> anyhow::Result<Controller> {
    let words = ["podling", "--grace", "1s", "--max-sessions-per-owner", "1", "--warm-runners", "0"];
    let config = Config {
        admin: AdminArgs::default(),
        data_dir: data.to_owned(),
        bound: ([127, 0, 0, 1], 1).into(),
        runner: RunnerBinary { path: "/bin/sh".into(), args: vec![data.join("runner.sh").into()] },
        default_creates_per_minute: NonZeroU32::new(1_000).expect("not zero"),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        service_keys: ServiceKeys::random(),
        control: ControlArgs::default(),
        database,
        redis: None,
        args: Whole::parse_from(words).args,
    };
    Controller::start(config).await
}

pub(super) fn id(session: &Session) -> SessionId {
    session.id.clone()
}
