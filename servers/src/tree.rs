//! A process and those that it has started, as /proc shows them.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn signal(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

/// Sends a signal to a process first, so that it starts no other meanwhile, and then to its children.
pub(crate) fn signal_all(pid: Pid, with: Signal) {
    signal(pid, with);
    for child in children(pid) {
        signal(child, with);
    }
}

fn children(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("Linux has /proc").flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // After the name, which may hold anything, come the state and the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}
