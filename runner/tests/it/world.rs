//! One runner process in a directory of its own, with its controller.

use std::{path::PathBuf, process::Stdio, time::Duration};

use jiff::Timestamp;
use podling_proto::{
    channel::Route,
    control::{Assign, Limits, ReportRequest, Source, Spec, report_request},
    terminal,
    tls::Trust,
};
use podling_session::{
    capability::{Grant, SessionKey},
    id::{AttachNonce, Incarnation, RunnerId, Uid, ViewerId},
    log::{Record, Segment, segment_file},
    token::Scope,
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{
    controller::{Controller, SECRET},
    viewer::Viewer,
};

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    directory: TempDir,
    pub(crate) life: Incarnation,
    key: SessionKey,
    pub(crate) controller: Controller,
    runner: Child,
}

/// What a test asks for.
pub(crate) struct Plan {
    pub(crate) spec: Spec,
    pub(crate) secrets: Vec<(&'static str, &'static str)>,
    pub(crate) arguments: Vec<String>,
    pub(crate) secret: &'static str,
    /// Controller and runner are on TCP.
    pub(crate) tls: bool,
}

impl Plan {
    pub(crate) fn command(command: &str) -> Plan {
        let limits = Limits { cpu_millis: 2_000, memory_bytes: 1 << 30, disk_bytes: 1 << 30, pids: 256 };
        let spec = Spec {
            command: command.to_owned(),
            limits: Some(limits),
            exit_on_job: true,
            egress: true,
            log_bytes: 1 << 30,
            ..Spec::default()
        };
        Plan { spec, secrets: Vec::new(), arguments: vec!["--isolation=none".into()], secret: SECRET, tls: false }
    }

    pub(crate) fn source(mut self, url: String, sha256: Option<String>) -> Plan {
        self.spec.source = Some(Source { url, sha256 });
        self
    }

    pub(crate) async fn start(self) -> World {
        World::start(self).await
    }
}

impl World {
    async fn start(plan: Plan) -> World {
        let directory = tempfile::Builder::new().prefix("podling").tempdir().expect("a directory");
        let (life, key) = (Incarnation { uid: Uid::new(), number: 1 }, SessionKey::random());
        let assign = Assign {
            uid: life.uid.to_string(),
            incarnation: life.number,
            spec: Some(plan.spec),
            secrets: plan.secrets.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            grant_key: key.grant_key().expose().to_vec().into(),
            now_micros: 0,
            log_path: "log".to_owned(),
        };
        let (controller, address) = if plan.tls {
            Controller::start_tls(&directory.path().join("ca.pem"), assign)
        } else {
            let socket = directory.path().join("control.sock");
            (Controller::start(&socket, assign), format!("unix:{}", socket.display()))
        };
        for name in ["run", "log"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_podling-runner"));
        command.arg("--dir").arg(directory.path().join("run")).arg("--blobs").arg(directory.path());
        command.args(["--controller", &address]);
        if plan.tls {
            command.arg("--controller-ca").arg(directory.path().join("ca.pem")).args(["--listen", "127.0.0.1:0"]);
        }
        command.args(["--name", life.launch_name().as_str()]).args(plan.arguments);
        command.env("LEAK", "from the runner").stdin(Stdio::piped()).kill_on_drop(true);
        let mut runner = command.spawn().expect("the runner starts");
        let line = serde_json::json!({ "runner_id": RunnerId::from_mac([7; 16]), "secret": plan.secret });
        let mut stdin = runner.stdin.take().expect("a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("the runner reads");
        World { directory, life, key, controller, runner }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.runner.id().expect("it runs")
    }

    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.runner.wait()).await.expect("the runner ends").expect("its status").code()
    }

    pub(crate) fn signal(&self) {
        let pid = rustix::process::Pid::from_raw(self.pid().cast_signed()).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
    }

    /// Waits until the reports are as the test wants them.
    pub(crate) async fn reported(&self, wanted: impl FnMut(&Vec<ReportRequest>) -> bool) -> Vec<ReportRequest> {
        until(&self.controller.told.reports, wanted).await
    }

    pub(crate) async fn running(&self) {
        let is_running = |report: &ReportRequest| matches!(report.phase, Some(report_request::Phase::Running(_)));
        self.reported(|reports| reports.iter().any(is_running)).await;
    }

    /// The end as it was reported, with the end of the log.
    pub(crate) async fn ended(&self) -> (terminal::Exit, u64) {
        let ended = |report: &ReportRequest| match report.phase.clone() {
            Some(report_request::Phase::Ended(ended)) => Some((ended.exit.expect("an exit"), ended.log_end)),
            _ => None,
        };
        let reports = self.reported(|reports| reports.iter().any(|report| ended(report).is_some())).await;
        assert_eq!(reports.iter().filter_map(ended).count(), 1, "there is one end");
        reports.iter().find_map(ended).expect("it was waited for")
    }

    /// A grant for a viewer, made now.
    pub(crate) fn grant(&self, viewer: ViewerId, nonce: AttachNonce, scope: Scope) -> String {
        let grant = Grant {
            session: self.life.uid,
            viewer,
            nonce,
            generation: 0,
            issued_at: Timestamp::now(),
            scope,
            who: Default::default(),
        };
        self.key.grant_key().sign(&grant)
    }

    /// The way to the runner, as it told its controller.
    pub(crate) async fn route(&self) -> Route {
        let registered = &self.controller.told.registered;
        let registered = until(registered, |requests| !requests.is_empty()).await.swap_remove(0);
        let address = registered.address.parse().expect("an address");
        Route::new(vec![address], Some(&Trust::pinned(&registered.certificate))).expect("a route")
    }

    /// Attaches a new viewer that may write, from the beginning.
    pub(crate) async fn attach(&self) -> Viewer {
        let grant = self.grant(ViewerId::new(), AttachNonce::random(), Scope::ReadWrite);
        Viewer::attach(self, terminal::Open { grant, ..Viewer::lossless(None) }).await.expect("it attaches")
    }

    /// The stored log's records.
    pub(crate) fn stored(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for sequence in 0.. {
            let Ok(bytes) = std::fs::read(self.path("log").join(segment_file(sequence))) else { break };
            records.extend(Segment::parse(bytes.into()).expect("a segment").records);
        }
        records
    }

    /// The stored output as text.
    pub(crate) fn text(&self) -> String {
        let output = self.stored().into_iter().filter_map(|record| match record.body {
            podling_session::log::Body::Output(bytes) => Some(bytes),
            _ => None,
        });
        String::from_utf8(output.flatten().collect()).expect("UTF-8")
    }
}

/// Waits until a value is as the test wants it.
pub(crate) async fn until<T: Clone>(value: &watch::Sender<T>, wanted: impl FnMut(&T) -> bool) -> T {
    let mut receiver = value.subscribe();
    let found = timeout(PATIENCE, receiver.wait_for(wanted)).await.expect("it comes").expect("the sender lives");
    found.clone()
}
