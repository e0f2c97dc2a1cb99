//! Who descends from whom, as `/proc` has it.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The children of a process, whichever of its threads has made them.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return Vec::new() };
    let of_each = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    of_each.flat_map(|text| text.split_whitespace().filter_map(parse).collect::<Vec<_>>()).collect()
}

fn parse(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Kills all processes of the session that `leader` leads, and all that descend from it. Without a namespace or a
/// control group nothing more can be known: an orphan with a session of its own gets away.
pub(super) fn kill_session(leader: Pid) {
    let mut doomed = vec![leader];
    let mut next = 0;
    while let Some(&pid) = doomed.get(next) {
        doomed.extend(children(pid));
        next += 1;
    }
    doomed.extend(all().into_iter().filter(|&pid| session(pid) == Some(leader)));
    for pid in doomed {
        // It may have ended by itself.
        _ = kill_process(pid, Signal::KILL);
    }
}

/// Not by getsid(2), which rustix takes to be never 0; it is, of the kernel's own threads.
fn session(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name before may hold anything, `)` included; then state, parent, group, session (proc_pid_stat(5)).
    parse(stat.rsplit_once(')')?.1.split_whitespace().nth(3)?)
}

fn all() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| parse(entry.file_name().to_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_found() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat");
        let found = children(rustix::process::getpid()).contains(&Pid::from_child(&child));
        drop(child.stdin.take());
        child.wait().expect("cat ends with its input");
        assert!(found);
    }
}
