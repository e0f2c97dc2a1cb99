//! slirp4netns, the way out of a sandbox: a network stack in user mode that reads packets from the sandbox's device and
//! opens ordinary sockets of the machine for them.
//!
//! It runs beside the sandbox, not in it: outside of its process and mount namespaces, in a view of the file system and
//! with a system call filter of its own. Nor is it in its control group: it has to live on when all commands are
//! killed, and it wakes once a second, which would make an idle sandbox look busy. What a command can make it use is
//! bounded by the limits here. It dies with the runner, by the kernel's hand and because its leash is gone.

use std::{
    ffi::OsString,
    io::{self, PipeReader, PipeWriter, Read},
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{fs::OFlags, process::Resource};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, time::timeout};

use super::device::{DEVICE, MTU};
use crate::sandbox::{
    SandboxError,
    fork::{Forker, Preparation},
    setup,
};

/// Where it is looked for, like bubblewrap.
pub(in crate::sandbox) const SLIRP: [&str; 3] =
    ["/usr/bin/slirp4netns", "/usr/local/bin/slirp4netns", "/bin/slirp4netns"];

/// Milliseconds as a rule; seconds on a machine under load.
const READY: Duration = Duration::from_secs(10);
/// Each connection, and each port that a datagram came from lately, is one of its open files.
const OPEN_FILES: u64 = 1024;
/// Its buffers: at most 256 KiB for a connection.
const MEMORY_BYTES: u64 = 256 << 20;
/// What is kept of its words.
const COMPLAINT_BYTES: usize = 4096;

/// One that is ready. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Slirp {
    process: Child,
    /// It ends when this is closed.
    _leash: PipeWriter,
    /// What it has to say, which nobody reads once it is ready. It must be open: writing into a closed pipe is death.
    words: PipeReader,
}

impl Slirp {
    /// Starts one on the device in the namespace `net`, and waits until it serves. It is in the network of the machine,
    /// and root of `user` where that owns the namespace.
    pub(super) async fn start(forker: &Forker, user: Vec<OwnedFd>, net: OwnedFd) -> Result<Slirp, SandboxError> {
        let program = find()?;
        let pipe = || io::pipe().map_err(setup("making a pipe"));
        let ((ready, tell), (held, leash), (words, stderr)) = (pipe()?, pipe()?, pipe()?);
        // A full pipe must not hold it up.
        rustix::fs::fcntl_setfl(&stderr, OFlags::WRONLY | OFlags::NONBLOCK).map_err(setup("making a pipe"))?;
        let mut command = Command::new(program);
        command.args(arguments(&net, &tell, &held)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let limits = vec![(Resource::Core, 0), (Resource::Nofile, OPEN_FILES), (Resource::Data, MEMORY_BYTES)];
        let keep = vec![net, tell.into(), held.into()];
        let preparation = Preparation { entrances: Vec::new(), network: user, keep, limits };
        let started = async {
            let process = forker.spawn(command, preparation).await.map_err(setup("starting slirp4netns"))?;
            let mut slirp = Slirp { process, _leash: leash, words };
            let heard = hear(ready).await.map_err(setup("hearing from slirp4netns"))?;
            if heard { Ok(slirp) } else { Err(SandboxError::Slirp(slirp.complaint())) }
        };
        timeout(READY, started)
            .await
            .map_err(|_| SandboxError::Slirp(format!("no sign of life for {} s", READY.as_secs())))?
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Its words, once it has ended.
    fn complaint(&mut self) -> String {
        let mut words = vec![0; COMPLAINT_BYTES];
        _ = self.process.kill();
        _ = self.process.wait();
        let bytes = self.words.read(&mut words).unwrap_or(0);
        String::from_utf8_lossy(&words[..bytes]).trim().to_owned()
    }
}

impl Drop for Slirp {
    /// It has nothing to settle, so this takes microseconds.
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

pub(super) fn find() -> Result<PathBuf, SandboxError> {
    SLIRP.map(PathBuf::from).into_iter().find(|path| path.is_file()).ok_or(SandboxError::NoSlirp)
}

/// One byte when it is ready, none when it has ended.
async fn hear(ready: PipeReader) -> io::Result<bool> {
    let mut ready = Receiver::from_owned_fd(ready.into())?;
    Ok(ready.read(&mut [0]).await? == 1)
}

/// The namespace is told by a descriptor that it inherits.
fn arguments(net: &OwnedFd, ready: &PipeWriter, held: &PipeReader) -> Vec<OsString> {
    let mut words = vec![
        format!("--mtu={MTU}"),
        format!("--ready-fd={}", ready.as_raw_fd()),
        format!("--exit-fd={}", held.as_raw_fd()),
        "--netns-type=path".to_owned(),
    ];
    words.extend(["--disable-host-loopback", "--enable-sandbox", "--enable-seccomp"].map(str::to_owned));
    words.push(format!("/proc/self/fd/{}", net.as_raw_fd()));
    words.push(DEVICE.to_owned());
    words.into_iter().map(OsString::from).collect()
}
