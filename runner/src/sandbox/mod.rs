//! The sandbox around the command, around git and around install: what they see, may do and may use up.
//!
//! bubblewrap makes the namespaces and the view of the file system ([`view`]), seccomp takes away the system calls that
//! could lead out ([`seccomp`]), control groups limit memory, processes and processor time ([`cgroup`]), and what the
//! kernel does not stop by itself is watched ([`watch`]). Started as root, the command runs as a user of the session's
//! own, without a user namespace; otherwise as the user who started the runner, in a user namespace.
//!
//! ```text
//! runner (thread `sandbox-fork`)
//!   bwrap                      in the control group, in a session without a terminal
//!     bwrap                    process 1 of the namespaces; reaps
//!       podling sandbox-enter  leads a session on the PTY, gives up root, puts the environment on, becomes
//!       the command
//! ```
//!
//! It fails closed: what cannot be set up as promised is an error before anything runs. It leaves to others what runs,
//! the PTY, and what a breach means for the session.

mod cgroup;
mod child;
mod clean;
mod disk;
mod enter;
mod etc;
mod fork;
mod held;
mod level;
mod network;
mod seccomp;
mod start;
mod step;
mod tree;
mod view;
mod wait;
mod watch;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    net::{self, Ipv4Addr},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
};

use podling_session::{id::LaunchName, session::Isolation, spec::Limits};
use tokio::net::TcpListener;
use tracing::info;

use self::{
    cgroup::{Cgroup, Trees},
    child::Process,
    disk::Disk,
    enter::Entry,
    fork::Forker,
    level::{BUBBLEWRAP, Means, Walls, own_executable},
    network::{Network, SLIRP},
    watch::Watch,
};
pub use self::{child::Child, clean::clean, start::Standby, step::step, watch::Breach};

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("bubblewrap is not installed (looked for {})", BUBBLEWRAP.join(", "))]
    NoBubblewrap,
    #[error("a runner that is root needs a user for its session")]
    NoUser,
    #[error("isolation {reached} is all this machine gives, {minimum} is the least allowed; missing: {missing}", reached = .reached.as_str(), minimum = .minimum.as_str())]
    BelowMinimum { reached: Isolation, minimum: Isolation, missing: String },
    #[error("the system call filter cannot be made")]
    Seccomp(#[source] seccompiler::BackendError),
    #[error("{what} failed")]
    Setup {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// Nothing of the command has run.
    #[error("the sandbox did not start: {0}")]
    Start(String),
    #[error("a session with egress needs slirp4netns, which is not installed (looked for {})", SLIRP.join(", "))]
    NoSlirp,
    #[error("slirp4netns did not start: {0}")]
    Slirp(String),
    #[error("without isolation a session has the machine's network: egress cannot be false")]
    Unwalled,
    #[error("an argument or a variable contains a NUL")]
    Nul,
}

/// For `map_err`: what it was that failed.
fn setup<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::Setup { what, source: error.into() }
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// The runner's directory, closed to all others. In it the sandbox owns `disk`, `bin` and the file `cgroup`.
    pub dir: PathBuf,
    pub name: LaunchName,
    /// The session's own user; needed when the runner is root, of no effect otherwise.
    pub uid: Option<u32>,
    pub minimum: Isolation,
    /// No sandbox at all, as asked for with `--isolation none`.
    pub isolation_none: bool,
    /// Until [`Sandbox::limit`] sets others.
    pub limits: Limits,
}

/// One launch's sandbox; any number of commands may run in it, one after the other or at once. Dropping it kills them.
#[derive(Debug)]
pub struct Sandbox {
    name: LaunchName,
    dir: PathBuf,
    walls: Walls,
    level: Isolation,
    uid: Option<u32>,
    program: PathBuf,
    watch: Arc<Watch>,
    /// None without walls: commands are in the network of the machine.
    network: Option<Network>,
    forker: Forker,
    processes: Mutex<Vec<Arc<Process>>>,
}

impl Sandbox {
    /// Makes the places and the limits; runs nothing. Blocks for milliseconds.
    pub fn prepare(settings: Settings) -> Result<Sandbox, SandboxError> {
        let root = rustix::process::geteuid().is_root();
        let uid = settings.uid.filter(|_| root && !settings.isolation_none);
        if root && uid.is_none() && !settings.isolation_none {
            return Err(SandboxError::NoUser);
        }
        let program = own_executable().map_err(setup("finding the own executable"))?;
        let walls = Walls::of(&settings, &program)?;
        clean::record(&settings.dir).map_err(setup("writing to the runner's directory"))?;
        let cgroup = Cgroup::create(&Trees::of_this_machine(), &settings.name, &settings.limits);
        let cgroup = cgroup.inspect_err(|error| info!(%error, "no control group limits the session: {error}")).ok();
        let means = Means { walls: !settings.isolation_none, own_user: uid.is_some(), limits: cgroup.is_some() };
        let Settings { dir, name, minimum, isolation_none, limits, .. } = settings;
        let disk = Disk::at(&dir);
        let watch = Arc::new(Watch { cgroup, disk, limits: Mutex::new(limits), blind: AtomicU32::new(0) });
        let level = means.require(minimum).or_else(|refusal| watch.discard().and(Err(refusal)))?;
        watch.disk.create().map_err(setup("making the places of the command"))?;
        walls.write_profile(&watch.disk.home).map_err(setup("making the places of the command"))?;
        let network = (!isolation_none).then(|| Network::make(&program)).transpose();
        let network = network.map_err(setup("making a network of the session's own"))?;
        let forker = Forker::start().map_err(setup("starting a thread"))?;
        let sandbox =
            Sandbox { name, dir, walls, level, uid, program, watch, network, forker, processes: Mutex::default() };
        sandbox.own().map_err(setup("giving the places to the command's user"))?;
        Ok(sandbox)
    }

    /// Whether commands may use up just this.
    pub fn is_limited_to(&self, limits: &Limits) -> bool {
        self.watch.limits() == *limits
    }

    /// Sets what commands may use up from now on. Blocks for a moment.
    ///
    /// # Errors
    /// When a limit that was promised cannot be set: nothing may run then.
    pub fn limit(&self, limits: Limits) -> Result<(), SandboxError> {
        if let Some(cgroup) = &self.watch.cgroup {
            cgroup.limit(&limits).map_err(setup("limiting the control group"))?;
        }
        *self.watch.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
        Ok(())
    }

    fn is_walled(&self) -> bool {
        matches!(self.walls, Walls::Bubblewrap { .. })
    }

    pub fn level(&self) -> Isolation {
        self.level
    }

    /// `/work` as the runner sees it: where a source is extracted to.
    pub fn work_dir(&self) -> &Path {
        &self.watch.disk.work
    }

    /// The home of the command's user, as the runner sees it.
    pub fn home_dir(&self) -> &Path {
        &self.watch.disk.home
    }

    /// Gives what the runner has written there to the command's user. Blocks.
    pub fn own(&self) -> io::Result<()> {
        self.uid.map_or(Ok(()), |uid| self.watch.disk.give_to(uid))
    }

    /// The variables that depend on the sandbox: PATH, HOME, USER, LOGNAME, SHELL, TMPDIR where it is not `/tmp`.
    pub fn base_env(&self) -> BTreeMap<String, String> {
        let mut env = vec![("SHELL", "/bin/bash".to_owned())];
        match &self.walls {
            Walls::Bubblewrap { .. } => {
                let user = view::USER.to_owned();
                env.extend([("PATH", view::PATH.into()), ("HOME", view::HOME.into())]);
                env.extend([("USER", user.clone()), ("LOGNAME", user)]);
            }
            Walls::None { bin } => {
                let text = |path: &Path| path.to_string_lossy().into_owned();
                env.extend([("PATH", format!("{}:{}", text(bin), view::PATH)), ("HOME", text(&self.watch.disk.home))]);
                env.push(("TMPDIR", text(&self.watch.disk.tmp)));
            }
        }
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Starts `argv` in `/work`, with `tty` as its standard input, output and error, and as the controlling terminal of
    /// a session of its own. It sees exactly `env`. Returns when the command is about to run; a program that is not
    /// there then ends with 127 and says so on the terminal.
    pub async fn spawn(
        &self,
        argv: &[OsString],
        env: &BTreeMap<String, String>,
        tty: OwnedFd,
    ) -> Result<Child, SandboxError> {
        self.stand_by(tty).await?.command(self, argv, env).await
    }

    /// Makes everything that a command on this terminal needs, and stops before the command.
    pub async fn stand_by(&self, tty: OwnedFd) -> Result<Standby, SandboxError> {
        start::stand_by(self, tty).await
    }

    /// Listens on this port of the loopback that commands see, 0 for any: what they reach there is served by us. May be
    /// called before anything runs, and serves every command until it is dropped. Without walls that loopback is the
    /// machine's own, which all sessions and their neighbours share.
    pub async fn listen(&self, port: u16) -> Result<TcpListener, SandboxError> {
        let listening = match &self.network {
            Some(network) => network.listen(port).await,
            None => net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)),
        };
        let listening = listening.and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        listening.map_err(setup("listening on the sandbox's loopback"))
    }

    /// Gives commands the internet, until [`Sandbox::disconnect`]: IPv4 but for private, link-local and metadata
    /// addresses and the machine's own. Where they have it, sees to it that they still do. To be called before each
    /// command that is to have it.
    ///
    /// # Errors
    /// When it cannot be given: then they have none.
    pub async fn connect(&self) -> Result<(), SandboxError> {
        match &self.network {
            Some(network) => network.connect(&self.forker).await,
            None => Ok(()),
        }
    }

    /// Takes the internet from commands, those that run included; what the runner listens on stays.
    ///
    /// # Errors
    /// When they may still have it, as without isolation: nothing may run then that is not to have it.
    pub async fn disconnect(&self) -> Result<(), SandboxError> {
        let network = self.network.as_ref().ok_or(SandboxError::Unwalled)?;
        network.disconnect().await.map_err(setup("closing the way out of the sandbox"))
    }

    /// What the last step into the sandbox is told.
    fn entry(&self, argv: &[OsString], env: &BTreeMap<String, String>) -> Result<Vec<u8>, SandboxError> {
        let (limits, grouped) = (self.watch.limits(), self.watch.cgroup.is_some());
        let entry = Entry {
            uid: self.uid,
            processes: (!grouped && self.is_walled()).then_some(limits.pids),
            file_bytes: Some(limits.disk_bytes),
            data_bytes: (!grouped).then_some(limits.memory_bytes),
            argv: argv.to_vec(),
            env: env.clone(),
        };
        entry.encode().ok_or(SandboxError::Nul)
    }

    /// Pends until a limit has been passed. Cancel safe.
    pub async fn breached(&self) -> Breach {
        watch::breach(&self.watch).await
    }

    /// Whether a limit has been passed; to be asked once more when the command has ended, because a breach may be the
    /// reason for that. Blocks while it looks at the disk.
    pub fn breach_now(&self) -> Option<Breach> {
        self.watch.memory().or_else(|| self.watch.disk())
    }

    /// Ends every process of the sandbox and returns when none is left. May be repeated. Blocks, for seconds at most.
    pub fn kill_all(&self) -> io::Result<()> {
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let killed: Vec<_> = processes.iter().map(|process| process.kill()).collect();
        self.watch.cgroup.as_ref().map_or(Ok(()), Cgroup::kill)?;
        killed.into_iter().collect()
    }

    /// Ends what runs and removes what was made. Blocks.
    pub fn remove(self) -> io::Result<()> {
        self.kill_all()?;
        clean::clean(&self.dir, &self.name)
    }
}

#[cfg(test)]
mod tests;
