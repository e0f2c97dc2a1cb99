//! What /proc says of a process: its processor time, its memory, its kin; and which processors it may use.

use std::{fs, time::Duration};

use anyhow::Context;
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// `USER_HZ` of Linux, the unit of /proc/PID/stat (proc_pid_stat(5)).
const TICKS_PER_SECOND: u32 = 100;

/// The processor time of all threads of a process, the ended ones included.
pub(crate) fn cpu(pid: i32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    let ticks = ticks(&stat).context("a stat has a user and a system time")?;
    Ok(Duration::from_secs(ticks) / TICKS_PER_SECOND)
}

/// User and system time of a line of /proc/PID/stat. The name, in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// The memory of a process in bytes, what it shares divided among those who share it.
pub(crate) fn pss(pid: i32) -> anyhow::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the process is gone")?;
    let kilobytes: Option<u64> =
        rollup.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
    Ok(kilobytes.context("a rollup has a Pss")? * 1024)
}

/// The memory that programs could still get, in bytes.
pub(crate) fn available() -> anyhow::Result<u64> {
    let info = fs::read_to_string("/proc/meminfo")?;
    let kilobytes: Option<u64> =
        info.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    Ok(kilobytes.context("a machine has memory")? * 1024)
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn words(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Each takes milliseconds.
const MAX_LOOKS: usize = 1_000;

/// The runner above the process that has this in its environment.
pub(crate) fn runner_of(mark: &str) -> anyhow::Result<i32> {
    let marked = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    // A program that is just being replaced by another shows no environment.
    let mut looks = std::iter::repeat_with(|| pids().find(marked)).take(MAX_LOOKS);
    let mut pid = looks.find_map(|found| found).context("no process is marked so")?;
    while words(pid).get(1).is_none_or(|word| word != "runner") {
        pid = parent(pid).filter(|parent| *parent > 1).context("no runner is above the process")?;
    }
    Ok(pid)
}

/// A process and everything below it.
pub(crate) fn family(root: i32) -> Vec<i32> {
    let kin: Vec<_> = pids().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = vec![root];
    let mut at = 0;
    while let Some(elder) = family.get(at).copied() {
        family.extend(kin.iter().filter(|(_, parent)| *parent == elder).map(|(pid, _)| *pid));
        at += 1;
    }
    family
}

/// Holds a process, all its threads and everything below it to one processor.
pub(crate) fn hold(root: i32, cpu: usize) -> anyhow::Result<()> {
    let mut one = CpuSet::new();
    one.set(cpu);
    for pid in family(root) {
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let thread = thread.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            sched_setaffinity(thread, &one).context("a thread cannot be held to a processor")?;
        }
    }
    Ok(())
}

/// Holds the calling thread to one processor until it is dropped.
pub(crate) struct HeldThread(CpuSet);

impl HeldThread {
    pub(crate) fn to(cpu: usize) -> anyhow::Result<HeldThread> {
        let before = sched_getaffinity(None)?;
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one)?;
        Ok(HeldThread(before))
    }
}

impl Drop for HeldThread {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.0); // What was allowed before is allowed again.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_that_may_hold_anything() {
        let line = "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 25 17 3 4 20 0 1 0 100 0 0";
        assert_eq!(ticks(line), Some(42));
    }

    #[test]
    fn this_process_has_time_memory_and_itself_for_kin() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert!(cpu(pid).is_ok());
        assert!(pss(pid).expect("a rollup") > 100_000);
        assert!(family(pid).contains(&pid));
    }
}
