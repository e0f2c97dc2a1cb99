//! From an argument list to a command that runs in the sandbox.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsRawFd, OwnedFd},
    process::{Command, Stdio},
    sync::{Arc, PoisonError},
    time::Duration,
};

use rustix::process::Resource;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe::{Receiver, Sender},
    time::timeout,
};

use super::{
    Child, Sandbox, SandboxError,
    child::Process,
    enter::{STARTED, framed_length},
    fork::Preparation,
    level::Walls,
    network::Network,
    setup,
    view::{self, View, as_file, in_memory},
};

/// How long it may take from fork to the command. Milliseconds as a rule; seconds on a machine under load.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// The most open files of a process.
const OPEN_FILES: u64 = 4096;
/// What is kept of bubblewrap's words.
const COMPLAINT_BYTES: u64 = 4096;

/// A sandbox that is made and waits to be told its command. Dropping it ends what waits.
#[derive(Debug)]
pub struct Standby {
    child: Child,
    process: Arc<Process>,
    entry: PipeWriter,
    complaints: PipeReader,
}

/// Makes the sandbox around the last step before the command, and returns when it is on its way.
pub(super) async fn stand_by(sandbox: &Sandbox, tty: OwnedFd) -> Result<Standby, SandboxError> {
    if let (Some(uid), true) = (sandbox.uid, rustix::termios::isatty(&tty)) {
        // Programs open their terminal once more, by name.
        rustix::fs::fchown(&tty, Some(rustix::fs::Uid::from_raw(uid)), None)
            .map_err(setup("giving the terminal away"))?;
    }
    let (complaints, stderr) = io::pipe().map_err(setup("making a pipe"))?;
    let (told, entry) = io::pipe().map_err(setup("making a pipe"))?;
    let (mut command, keep) = outermost(sandbox, told.into()).map_err(setup("describing the sandbox"))?;
    command.stdin(tty).stdout(Stdio::null()).stderr(stderr);
    let preparation = prepare(sandbox, keep).map_err(setup("opening the control group and the network"))?;
    let forked = timeout(START_TIMEOUT, sandbox.forker.spawn(command, preparation)).await;
    let forked = forked.map_err(|_| timed_out())?.map_err(setup("starting a process"))?;
    let (process, child) = Process::adopt(forked, sandbox.is_walled()).map_err(setup("watching a process"))?;
    sandbox.processes.lock().unwrap_or_else(PoisonError::into_inner).push(process.clone());
    Ok(Standby { child, process, entry, complaints })
}

impl Standby {
    /// Tells it what to become, and returns when it is about to. After an error nothing of the command has run, nor
    /// will it.
    pub async fn command(
        self,
        sandbox: &Sandbox,
        argv: &[OsString],
        env: &BTreeMap<String, String>,
    ) -> Result<Child, SandboxError> {
        let Standby { child, process, entry, complaints } = self;
        let told = sandbox.entry(argv, env)?;
        let starting = async {
            // One that has died does not listen, and its last words say why.
            let _ = tell(entry, &told).await;
            complaint(complaints).await
        };
        match timeout(START_TIMEOUT, starting).await {
            Ok(Ok(None)) => Ok(child),
            Ok(Ok(Some(words))) => Err(SandboxError::Start(words)),
            Ok(Err(error)) => Err(setup("hearing from the sandbox")(error)),
            Err(_) => {
                // A sandbox that may still start must not: the caller takes this for an end.
                let killed = tokio::task::spawn_blocking(move || process.kill()).await;
                killed.map_err(io::Error::other).flatten().map_err(setup("killing what did not start"))?;
                Err(timed_out())
            }
        }
    }
}

async fn tell(pipe: PipeWriter, entry: &[u8]) -> io::Result<()> {
    let mut pipe = Sender::from_owned_fd(pipe.into())?;
    pipe.write_all(&framed_length(entry)).await?;
    pipe.write_all(entry).await
}

fn timed_out() -> SandboxError {
    SandboxError::Start(format!("no sign of life for {} s", START_TIMEOUT.as_secs()))
}

/// What the process says before it becomes the command; `None` when it is about to.
async fn complaint(pipe: PipeReader) -> io::Result<Option<String>> {
    let mut pipe = Receiver::from_owned_fd(pipe.into())?.take(COMPLAINT_BYTES);
    let mut words = Vec::new();
    loop {
        match pipe.read_u8().await {
            Ok(STARTED) => return Ok(None),
            Ok(byte) => words.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Some(String::from_utf8_lossy(&words).trim().to_owned()))
}

/// The outermost command, and the files that it needs open.
fn outermost(sandbox: &Sandbox, entry: OwnedFd) -> io::Result<(Command, Vec<OwnedFd>)> {
    let entry_number = entry.as_raw_fd().to_string();
    let (mut command, mut keep) = match &sandbox.walls {
        Walls::None { .. } => {
            let mut command = Command::new(&sandbox.program);
            command.current_dir(sandbox.work_dir());
            (command, Vec::new())
        }
        Walls::Bubblewrap { bwrap, seccomp, disable_userns } => {
            let disk = &sandbox.watch.disk;
            let (program, disable_userns) = (&sandbox.program, *disable_userns);
            let arguments = view::arguments(&View { disk, program, uid: sandbox.uid, seccomp, disable_userns })?;
            let list = in_memory("args", &as_file(&arguments.list))?;
            let mut command = Command::new(bwrap);
            command.arg("--args").arg(list.as_raw_fd().to_string()).arg("--").arg(view::PROGRAM);
            let mut keep = arguments.files;
            keep.push(list);
            (command, keep)
        }
    };
    command.args(ENTER_ARGUMENTS).arg(entry_number);
    keep.push(entry);
    Ok((command, keep))
}

#[cfg(not(test))]
const ENTER_ARGUMENTS: [&str; 1] = [super::enter::ENTER];
#[cfg(test)]
use super::enter::tests::ENTER_ARGUMENTS;

fn prepare(sandbox: &Sandbox, keep: Vec<OwnedFd>) -> io::Result<Preparation> {
    let cgroup = sandbox.watch.cgroup.as_ref();
    let limits = vec![(Resource::Core, 0), (Resource::Nofile, OPEN_FILES)];
    let entrances = cgroup.map_or(Ok(Vec::new()), |cgroup| cgroup.entrances())?;
    let network = sandbox.network.as_ref().map_or(Ok(Vec::new()), Network::entrances)?;
    Ok(Preparation { entrances, network, keep, limits })
}
