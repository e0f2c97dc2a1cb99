//! Which process a runner is, told apart from a later one with the same number.

use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process: its number, and when it started, in clock ticks since boot. The two together are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pid: Pid,
    started_ticks: u64,
}

impl Identity {
    /// From a line of `/proc/PID/stat` (proc(5)): the pid, the name in parentheses, and the start time as field 22.
    pub(super) fn from_stat(line: &str) -> Option<Identity> {
        // The name may hold anything, parentheses included: the last one ends it. The third field comes next.
        let (head, tail) = line.rsplit_once(')')?;
        let (pid, _name) = head.split_once(" (")?;
        let pid = Pid::from_raw(pid.parse().ok()?)?;
        Some(Identity { pid, started_ticks: tail.split_ascii_whitespace().nth(19)?.parse().ok()? })
    }

    pub(super) fn is_alive(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_pid()));
        stat.ok().and_then(|line| Identity::from_stat(&line)) == Some(*self)
    }

    /// Signals this process and no other. `false` when it is gone.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let pidfd = match pidfd_open(self.pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            pidfd => pidfd?,
        };
        // Looked at after it was opened: who has the number now had it then, or started later than we know it did.
        if !self.is_alive() {
            return Ok(false);
        }
        match pidfd_send_signal(&pidfd, signal) {
            Err(rustix::io::Errno::SRCH) => Ok(false),
            sent => Ok(sent.map(|()| true)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let check = |name: &str| {
            let line = format!("7 ({name}) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10");
            let identity = Identity::from_stat(&line).expect("a whole line");
            assert_eq!((identity.pid.as_raw_pid(), identity.started_ticks), (7, 4711), "{name}");
        };
        check("sh");
        check("a b) S 1 (c");
        for torn in ["", "7", "7 (sh", "7 (sh) S 1 7", "0 (sh) S"] {
            assert_eq!(Identity::from_stat(torn), None, "{torn}");
        }
    }

    #[test]
    fn a_recycled_number_is_never_signalled() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep starts");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it lives");
        let real = Identity::from_stat(&stat).expect("a whole line");
        let recycled = Identity { started_ticks: real.started_ticks - 1, ..real };
        assert!(!recycled.signal(Signal::KILL).expect("no error"));
        assert!(child.try_wait().expect("waitable").is_none(), "another process was killed");
        assert!(real.signal(Signal::KILL).expect("no error"));
        child.wait().expect("it dies");
        assert!(!real.signal(Signal::KILL).expect("no error"));
    }
}
