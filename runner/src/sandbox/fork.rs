//! Forking the processes of a sandbox.
//!
//! The kernel ends a sandbox with the *thread* that forked it (`PR_SET_PDEATHSIG`, prctl(2)), not with its process. A
//! thread of tokio's blocking pool ends when it has been idle, so everything is forked by one thread that lives as long
//! as its [`Forker`].

use std::{
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Child, Command},
    thread,
};

use super::network;
use rustix::{
    io::FdFlags,
    process::{Pid, Resource, Rlimit, Signal},
};
use tokio::sync::{
    mpsc::{Receiver, Sender, channel},
    oneshot,
};

/// Asked for one at a time; whoever asks more waits.
const ORDERS: usize = 1;

/// What a child does between fork and exec.
pub(super) struct Preparation {
    /// See [`super::cgroup::Cgroup::entrances`].
    pub entrances: Vec<OwnedFd>,
    /// See [`super::network::Network::entrances`].
    pub network: Vec<OwnedFd>,
    /// The only descriptors besides standard input, output and error that it keeps.
    pub keep: Vec<OwnedFd>,
    pub limits: Vec<(Resource, u64)>,
}

struct Order {
    command: Command,
    made: oneshot::Sender<io::Result<Child>>,
}

/// The thread that forks. Dropping this kills what it has forked.
#[derive(Debug)]
pub(super) struct Forker {
    orders: Sender<Order>,
}

impl Forker {
    pub(super) fn start() -> io::Result<Forker> {
        let (orders, inbox) = channel(ORDERS);
        thread::Builder::new().name("sandbox-fork".into()).spawn(move || serve(inbox))?;
        Ok(Forker { orders })
    }

    /// Starts `command` as prepared. It sees no variable but those that `command` names.
    pub(super) async fn spawn(&self, mut command: Command, preparation: Preparation) -> io::Result<Child> {
        prepare(&mut command, preparation);
        let (made, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that forks has ended");
        self.orders.send(Order { command, made }).await.map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

fn serve(mut orders: Receiver<Order>) {
    while let Some(Order { mut command, made }) = orders.blocking_recv() {
        if let Err(Ok(mut unwanted)) = made.send(command.spawn()) {
            // Nobody waits for it any more. Reaped at once, as it has been killed.
            _ = unwanted.kill();
            _ = unwanted.wait();
        }
    }
}

fn prepare(command: &mut Command, preparation: Preparation) {
    let runner = rustix::process::getpid();
    command.env_clear();
    let steps = move || before_exec(runner, &preparation);
    // SAFETY: between fork and exec of a process with threads, only calls that are safe in a signal handler may be made.
    // `before_exec` makes system calls on what it was given; it allocates nothing and takes no lock.
    #[expect(unsafe_code, reason = "there is no other way to act between fork and exec")]
    unsafe {
        command.pre_exec(steps);
    }
}

fn before_exec(runner: Pid, preparation: &Preparation) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that died before that call will not be heard of any more.
    if rustix::process::getppid() != Some(runner) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    for entrance in &preparation.entrances {
        rustix::io::write(entrance, b"0")?;
    }
    network::enter(&preparation.network)?;
    for &(resource, value) in &preparation.limits {
        limit(resource, value)?;
    }
    default_signals();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Out of the runner's session: Ctrl-C in the terminal of `podling up` is not for the sandbox.
    rustix::process::setsid()?;
    close_others_on_exec()?;
    for kept in &preparation.keep {
        rustix::io::fcntl_setfd(kept, FdFlags::empty())?;
    }
    Ok(())
}

/// A command could not even trap what is ignored here, as SIGINT is by all that a script has started with `&`.
fn default_signals() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: sets what the kernel keeps of this process, which is about to be another program. The few signals that
        // cannot be set stay as they are.
        #[expect(unsafe_code, reason = "rustix has no signal")]
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Never raises a limit: that needs a right that root may lack.
pub(super) fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(value, |most| most.min(value));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Descriptors that the runner itself inherited without close-on-exec must not reach a command.
fn close_others_on_exec() -> io::Result<()> {
    const CLOSE_ON_EXEC: libc::c_uint = 1 << 2; // CLOSE_RANGE_CLOEXEC, Linux 5.11
    // SAFETY: marks descriptors and touches no memory.
    #[expect(unsafe_code, reason = "rustix has no close_range")]
    let marked = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_ON_EXEC) };
    if marked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
