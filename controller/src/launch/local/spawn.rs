//! How a local runner is started: its arguments, its descriptors, its environment.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, PipeReader, Write},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use podling_proto::channel::Address;
use podling_session::{forward::Forward, launch::Launch, session::Isolation};
use secrecy::ExposeSecret;
use tokio::process::Command;

use super::dir::RunnerDir;

/// All that a runner, its sandbox and its git need. Whatever else is in our environment is not theirs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs before the runner, in the process that becomes it. It notes who it is, so that a controller that is killed
/// right now leaves no runner that nobody could find; and moves the lock from standard output, the way on which no
/// other child that is started meanwhile can inherit it, to descriptor 3.
const PRELUDE: &str = r#"IFS= read -r stat <"/proc/$$/stat" && printf '%s\n' "$stat" >"$0/pid" && exec "$@" 3>&1 1>&2"#;

/// What every local runner is started with.
#[derive(Clone, Debug)]
pub struct RunnerProgram {
    /// The binary, and the arguments that make it a runner.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Where controllers serve runners, the one to begin with first.
    pub controllers: Vec<Address>,
    /// The authority by which those at https are known.
    pub controller_ca: Option<PathBuf>,
    /// The address of this machine on which runners serve gateways over TCP, if they do.
    pub listen: Option<IpAddr>,
    /// Below it the runners write their logs.
    pub blobs: PathBuf,
    /// Whether commands run without a sandbox.
    pub unconfined: bool,
    /// Below this level a runner refuses to start a command.
    pub min_isolation: Isolation,
    /// What runners are told about sources.
    pub sources: Vec<OsString>,
    /// Where they keep archives for one another.
    pub source_cache: PathBuf,
    /// What sandboxes reach by their loopback.
    pub forwards: Vec<Forward>,
    /// Whether runners copy what commands say to their own logs.
    pub mirror_output: bool,
    /// How long a command has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How long an installation may take.
    pub install_timeout: Duration,
}

impl RunnerProgram {
    /// The runner of a launch, which lives as long as `lock` is held by it.
    pub(super) fn command(&self, dir: &RunnerDir, lock: File, launch: &Launch) -> io::Result<Command> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(PRELUDE).arg(dir.path()).arg(&self.program).args(&self.args);
        command.args(["--dir".as_ref(), dir.path().as_os_str()]);
        command.args(["--blobs".as_ref(), self.blobs.as_os_str()]);
        command.args(["--name", launch.name.as_str()]);
        for controller in &self.controllers {
            command.args(["--controller", &controller.to_string()]);
        }
        if let Some(ca) = &self.controller_ca {
            command.args(["--controller-ca".as_ref(), ca.as_os_str()]);
        }
        if let Some(address) = self.listen {
            command.args(["--listen", &SocketAddr::new(address, 0).to_string()]);
        }
        command.args(["--min-isolation", self.min_isolation.as_str()]);
        command.args(["--grace", &humantime::format_duration(self.grace).to_string()]);
        command.args(["--install-timeout", &humantime::format_duration(self.install_timeout).to_string()]);
        if let Some(uid) = dir.uid() {
            command.args(["--uid", &uid.to_string()]);
        }
        if self.unconfined {
            command.args(["--isolation", "none"]);
        }
        if self.mirror_output {
            command.arg("--mirror-output");
        }
        command.args(&self.sources).args(["--source-cache".as_ref(), self.source_cache.as_os_str()]);
        for forward in &self.forwards {
            command.args(["--sandbox-forward", &forward.to_string()]);
        }
        clear(&mut command, dir);
        command.stdin(bootstrap(launch)?).stdout(lock).stderr(dir.log_file()?);
        // A group of its own: Ctrl-C in the terminal that we were started from is for us alone.
        command.process_group(0);
        Ok(command)
    }

    /// Removes what lies outside the directory of a dead runner, such as its cgroups.
    pub(super) fn clean(&self, dir: &RunnerDir, name: &str) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg("--clean");
        command.args([OsStr::new("--dir"), dir.path().as_os_str(), "--name".as_ref(), name.as_ref()]);
        clear(&mut command, dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(dir.log_file()?).kill_on_drop(true);
        Ok(command)
    }
}

fn clear(command: &mut Command, dir: &RunnerDir) {
    command.env_clear().env("PATH", PATH).current_dir(dir.path());
}

/// The runner's standard input: who it is and how it proves that, as one line. It is in the pipe before the runner
/// starts, so that we may die at once.
fn bootstrap(launch: &Launch) -> io::Result<PipeReader> {
    let line = serde_json::json!({ "runner_id": launch.runner, "secret": launch.secret.expose_secret() });
    let (reader, mut writer) = io::pipe()?;
    writeln!(writer, "{line}")?; // Far below the 64 KiB that a pipe takes without a reader.
    Ok(reader)
}
