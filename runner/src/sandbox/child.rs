//! A process in a sandbox, from outside.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, pidfd_send_signal},
};
use tokio::sync::watch;

use super::{tree, wait::until};

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(8);

/// A command that [`super::Sandbox::spawn`] has started. Dropping this neither stops nor forgets it.
#[derive(Debug)]
pub struct Child {
    process: Arc<Process>,
    exit: watch::Receiver<Option<i32>>,
}

impl Child {
    /// Of the outermost process, which ends with the command.
    pub fn pid(&self) -> u32 {
        self.process.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The exit code of the command, 128+N when signal N ended it. May be called again, and dropped while it waits.
    pub async fn wait(&mut self) -> io::Result<i32> {
        let exit = self.exit.wait_for(Option::is_some).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
        exit.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Asks the command to end: SIGTERM to its process group, and to processes that have lost their parent.
    pub fn terminate(&self) -> io::Result<()> {
        self.process.signal(Signal::TERM)
    }
}

/// What the sandbox keeps of each child, for killing it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// Signals sent by this never hit another process that was given the same number.
    handle: OwnedFd,
    /// bubblewrap: its one child is process 1 of a namespace, which dies as a whole with it.
    confined: bool,
}

impl Process {
    /// Takes over `child`: a thread of its own reaps it.
    pub(super) fn adopt(mut child: std::process::Child, confined: bool) -> io::Result<(Arc<Process>, Child)> {
        let pid = Pid::from_child(&child);
        let handle = pidfd_open(pid, PidfdFlags::empty())?;
        let (ended, exit) = watch::channel(None);
        thread::Builder::new().name("sandbox-wait".into()).spawn(move || {
            let status = child.wait();
            ended.send_replace(status.ok().map(exit_code));
        })?;
        let process = Arc::new(Process { pid, handle, confined });
        Ok((process.clone(), Child { process, exit }))
    }

    fn has_ended(&self) -> io::Result<bool> {
        has_ended(&self.handle)
    }

    /// Signals the command, or the processes that are left of it.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.has_ended()? {
            return Ok(());
        }
        let leaders = if self.confined { self.grandchildren() } else { vec![self.pid] };
        for pid in leaders {
            // Not a leader of a group: an orphan in a group of another.
            match kill_process_group(pid, signal).or_else(|_| kill_process(pid, signal)) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The children of process 1 of the namespace: the command, and orphans.
    fn grandchildren(&self) -> Vec<Pid> {
        tree::children(self.pid).into_iter().flat_map(tree::children).collect()
    }

    /// Kills the process and everything below it, and returns when that is gone. Blocks; may be repeated.
    pub(super) fn kill(&self) -> io::Result<()> {
        if self.confined {
            self.kill_namespace()?;
        } else {
            tree::kill_session(self.pid);
        }
        end(&self.handle)
    }

    /// Process 1 first: with it the kernel ends everything in the namespace, forks in progress included.
    fn kill_namespace(&self) -> io::Result<()> {
        for init in tree::children(self.pid) {
            match pidfd_open(init, PidfdFlags::empty()) {
                Ok(handle) => end(&handle)?,
                Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Kills one process and waits for its end.
fn end(handle: &OwnedFd) -> io::Result<()> {
    match pidfd_send_signal(handle, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = until(Instant::now() + PATIENCE, || has_ended(handle))?;
    if gone { Ok(()) } else { Err(io::Error::new(io::ErrorKind::TimedOut, "a process outlives SIGKILL")) }
}

/// Whether it has ended, reaped or not (pidfd_open(2)).
pub(super) fn has_ended(handle: &OwnedFd) -> io::Result<bool> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&at_once))? > 0)
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_an_exit_code_above_128() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}
