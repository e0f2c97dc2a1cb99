//! What runs on this machine, read from /proc.

use std::{fs, path::Path};

/// A process as /proc shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub command_line: String,
}

/// Every process whose command line holds `part`. Zombies have none, so they are not in it.
pub fn with_argument(part: &str) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(read).filter(|process| process.command_line.contains(part)).collect()
}

fn read(pid: i32) -> Option<Process> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = raw.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    Some(Process { pid, command_line: words.join(" ") })
}

/// Sends a signal; a process that is gone already is fine.
pub fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Every cgroup folder, of either version, that belongs to a launch of this name.
pub fn cgroups_named(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), 6, &mut |path| {
        if path.file_name().is_some_and(|file| file.to_string_lossy().contains(name)) {
            found.push(path.display().to_string());
        }
    });
    found
}

fn walk(folder: &Path, depth: u32, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        visit(&entry.path());
        if depth > 0 {
            walk(&entry.path(), depth - 1, visit);
        }
    }
}
