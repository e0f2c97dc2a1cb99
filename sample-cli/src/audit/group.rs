//! A program with all that it starts: a process group of its own, which ends with its owner.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a program has between SIGTERM and SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Dropping it kills the group.
pub(super) struct Group {
    pub(super) leader: Child,
    id: Option<Pid>,
}

impl Group {
    pub(super) fn start(command: &mut Command) -> io::Result<Group> {
        let leader = command.process_group(0).kill_on_drop(true).spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Group { leader, id })
    }

    /// Asks it to end, and kills what has not after its grace.
    pub(super) async fn end(mut self) {
        self.signal(Signal::TERM);
        let _ = timeout(GRACE, self.leader.wait()).await; // What is left is killed, whoever it is.
    }

    /// Waits for the leader and kills what it left behind.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.signal(Signal::KILL);
        self.id = None; // From here on it may be another's.
        Ok(status)
    }

    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            let _ = kill_process_group(id, signal); // One that is dead already needs none.
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
