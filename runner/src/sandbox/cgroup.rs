//! Limits of memory, processes and processor time by control groups, in both of their layouts.
//!
//! Version 1 has a tree for each controller, version 2 one tree for all. In either, a launch has a group
//! `podling/<launch name>`: below the root of the tree where that can be made, else below the group that this process
//! is in. A group outlives its processes, so whoever made it removes it, and [`Cgroup::find`] serves the one who
//! cleans up after a runner that was killed.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use podling_session::{id::LaunchName, spec::Limits};
use rustix::process::{Pid, Signal, kill_process};

use super::wait::until;

/// How long the kernel may take to end killed processes, and to let go of their group.
const PATIENCE: Duration = Duration::from_secs(8);
/// The group in which all others are.
const PARENT: &str = "podling";
/// Where Podling's own processes go when their group has to be made free for children (version 2 allows processes
/// only in leaves).
const OWN_LEAF: &str = "podling-own";
/// The processor quota is counted in periods of this length.
const PERIOD_MICROS: u64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Pids,
    Cpu,
}

const CONTROLLERS: [(Controller, &str); 3] =
    [(Controller::Memory, "memory"), (Controller::Pids, "pids"), (Controller::Cpu, "cpu")];

/// Counts processor time in version 1, where it is a tree of its own; it limits nothing, so a machine may do without.
const ACCOUNT: &str = "cpuacct";

/// One value that is written into a group. A file that is not `required` may be missing in some kernels.
struct Setting {
    controller: Controller,
    file: &'static str,
    value: String,
    required: bool,
}

/// The trees of a machine, as this process sees them.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    root: PathBuf,
    /// The text of `/proc/self/cgroup`.
    own: String,
}

impl Trees {
    pub(super) fn of_this_machine() -> Trees {
        Trees::at("/sys/fs/cgroup".into(), fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    }

    pub(super) fn at(root: PathBuf, own: String) -> Trees {
        Trees { root, own }
    }

    /// The same trees with the eyes of another process, by the text of its `/proc/self/cgroup`.
    pub(super) fn seen_from(self, own: String) -> Trees {
        Trees { own, ..self }
    }

    fn version(&self) -> io::Result<Version> {
        if self.root.join("memory").is_dir() {
            Ok(Version::V1)
        } else if self.root.join("cgroup.controllers").is_file() {
            Ok(Version::V2)
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, format!("no control groups at {}", self.root.display())))
        }
    }

    /// The folders that can hold `podling`, best first; each place is one folder for each tree.
    fn places(&self, version: Version) -> Vec<Vec<PathBuf>> {
        match version {
            Version::V1 => {
                let account = self.root.join(ACCOUNT).is_dir().then_some(ACCOUNT);
                let names: Vec<_> = CONTROLLERS.iter().map(|(_, name)| *name).chain(account).collect();
                let top = names.iter().map(|name| self.root.join(name)).collect();
                let own = names.iter().map(|name| self.root.join(name).join(self.own_path(name))).collect();
                vec![top, own]
            }
            Version::V2 => {
                let own = self.root.join(self.own_path(""));
                let own = if own.ends_with(OWN_LEAF) { own.parent().unwrap_or(&own).to_owned() } else { own };
                vec![vec![self.root.clone()], vec![own]]
            }
        }
    }

    /// The path of this process's group in the tree of `controller` ("" in version 2), relative to its root.
    fn own_path(&self, controller: &str) -> &str {
        let path = self.own.lines().find_map(|line| {
            let (names, path) = line.split_once(':')?.1.split_once(':')?;
            names.split(',').any(|name| name == controller).then_some(path)
        });
        path.unwrap_or_default().trim_start_matches('/')
    }
}

/// The group of one launch.
#[derive(Debug)]
pub(super) struct Cgroup {
    version: Version,
    /// In the order of [`CONTROLLERS`], then that of [`ACCOUNT`] where there is one; one alone in version 2.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes the group with all its limits, or none of it. One left by an earlier attempt is taken over.
    pub(super) fn create(trees: &Trees, name: &LaunchName, limits: &Limits) -> io::Result<Cgroup> {
        let version = trees.version()?;
        let mut refused = None;
        for place in trees.places(version) {
            let group = Cgroup::in_place(version, &place, name);
            match group.make(&place).and_then(|()| group.limit(limits)) {
                Ok(()) => return Ok(group),
                Err(error) => {
                    group.discard();
                    refused = refused.or(Some(error));
                }
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    /// What an earlier process made for `name`, wherever it could.
    pub(super) fn find(trees: &Trees, name: &LaunchName) -> Vec<Cgroup> {
        let Ok(version) = trees.version() else { return Vec::new() };
        let groups = trees.places(version).into_iter().map(|place| Cgroup::in_place(version, &place, name));
        groups.filter(|group| group.folders.iter().any(|folder| folder.is_dir())).collect()
    }

    fn in_place(version: Version, place: &[PathBuf], name: &LaunchName) -> Cgroup {
        Cgroup { version, folders: place.iter().map(|folder| folder.join(PARENT).join(name.as_str())).collect() }
    }

    fn make(&self, place: &[PathBuf]) -> io::Result<()> {
        for (place, folder) in place.iter().zip(&self.folders) {
            fs::create_dir_all(place.join(PARENT))?;
            if self.version == Version::V2 {
                enable_or_vacate(place)?;
                enable(&place.join(PARENT))?;
            }
            fs::create_dir_all(folder)?;
        }
        Ok(())
    }

    /// Sets every limit, in place of those that were.
    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        for setting in settings(self.version, limits) {
            let path = self.folder(setting.controller).join(setting.file);
            match fs::write(path, setting.value) {
                Err(error) if setting.required => return Err(error),
                // Whether swap is counted is up to the kernel's command line.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn folder(&self, controller: Controller) -> &Path {
        match self.version {
            Version::V1 => &self.folders[controller as usize],
            Version::V2 => &self.folders[0],
        }
    }

    /// Files into which a process of one thread writes `0` to join the group.
    ///
    /// Version 1 moves a thread that moves itself at once. A process it moves when no other on the machine is forking
    /// any more, and waits for that for 7 ms and more; so does version 2, which has nothing else.
    pub(super) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        let file = match self.version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        };
        let open = |folder: &PathBuf| fs::OpenOptions::new().write(true).open(folder.join(file));
        self.folders.iter().map(|folder| Ok(open(folder)?.into())).collect()
    }

    /// How many processes of the group the kernel has killed for want of memory.
    pub(super) fn oom_kills(&self) -> io::Result<u64> {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(self.folder(Controller::Memory).join(file))?;
        Ok(oom_kills_in(&text))
    }

    /// Processor time that the group has used so far, in a unit of the kernel's; `None` when nobody counts it. As long as
    /// it stays the same, nothing has happened in the group. Does not block.
    pub(super) fn processor_time(&self) -> Option<u64> {
        match self.version {
            Version::V1 => {
                let usage = fs::read_to_string(self.folders.get(CONTROLLERS.len())?.join("cpuacct.usage")).ok()?;
                usage.trim().parse().ok()
            }
            Version::V2 => {
                let stat = fs::read_to_string(self.folders[0].join("cpu.stat")).ok()?;
                stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()
            }
        }
    }

    pub(super) fn processes(&self) -> io::Result<Vec<Pid>> {
        match fs::read_to_string(self.folder(Controller::Pids).join("cgroup.procs")) {
            Ok(text) => Ok(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect()),
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Kills every process of the group and returns when none is left. May be repeated; blocks.
    pub(super) fn kill(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let at_once = self.folders[0].join("cgroup.kill");
        if at_once.exists() {
            fs::write(at_once, "1")?;
            return self.until_empty(deadline, |_| ());
        }
        // One by one, a fork bomb could outrun us: nobody forks meanwhile. Errors mean that the group is half removed,
        // and then it has no processes.
        let most = self.folder(Controller::Pids).join("pids.max");
        let limit = fs::read_to_string(&most);
        _ = fs::write(&most, "0");
        let killed = self.until_empty(deadline, |pid| _ = kill_process(pid, Signal::KILL));
        if let Ok(limit) = limit {
            _ = fs::write(&most, limit.trim());
        }
        killed
    }

    fn until_empty(&self, deadline: Instant, each: impl Fn(Pid)) -> io::Result<()> {
        let empty = until(deadline, || {
            let left = self.processes()?;
            left.iter().for_each(|&pid| each(pid));
            Ok(left.is_empty())
        })?;
        if empty { Ok(()) } else { Err(io::Error::new(io::ErrorKind::TimedOut, "processes outlive SIGKILL")) }
    }

    /// Removes the group, whose processes have been killed. Blocks while the kernel still counts one of them.
    pub(super) fn remove(&self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for folder in &self.folders {
            let gone = until(deadline, || match fs::remove_dir(folder) {
                Ok(()) => Ok(true),
                Err(error) if is_gone(&error) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(false),
                Err(error) => Err(error),
            })?;
            if !gone {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} stays busy", folder.display())));
            }
        }
        Ok(())
    }

    /// Takes back what a failed attempt has made.
    fn discard(&self) {
        self.folders.iter().for_each(|folder| _ = fs::remove_dir(folder));
    }
}

/// The group was removed before the file was opened (ENOENT) or while it was read (ENODEV).
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

/// Lets the children of a group of version 2 have limits.
fn enable(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("cgroup.subtree_control"), "+memory +pids +cpu")
}

/// A group with processes in it has no children with limits (EBUSY); one that was delegated to us can be made free. The
/// root of a machine, which has no `cgroup.type`, is excepted from that rule and nobody's to rearrange.
fn enable_or_vacate(folder: &Path) -> io::Result<()> {
    match enable(folder) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && folder.join("cgroup.type").exists() => {
            vacate(folder)?;
            enable(folder)
        }
        enabled => enabled,
    }
}

/// Moves the processes of a group into a leaf of their own. They are Podling's when the group was delegated to it; a
/// group with others' processes in it refuses.
fn vacate(folder: &Path) -> io::Result<()> {
    let leaf = folder.join(OWN_LEAF);
    fs::create_dir_all(&leaf)?;
    for pid in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
        fs::write(leaf.join("cgroup.procs"), pid)?;
    }
    Ok(())
}

/// bubblewrap's monitor and its process 1, which are in the group but not the command's.
const SANDBOX_PROCESSES: u32 = 2;

fn settings(version: Version, limits: &Limits) -> Vec<Setting> {
    let memory = |file, value: String, required| Setting { controller: Controller::Memory, file, value, required };
    let pids = (limits.pids + SANDBOX_PROCESSES).to_string();
    let bytes = limits.memory_bytes.to_string();
    let quota = u64::from(limits.cpu_millis) * PERIOD_MICROS / 1_000;
    let mut settings = vec![Setting { controller: Controller::Pids, file: "pids.max", value: pids, required: true }];
    match version {
        Version::V1 => {
            let cpu = |file, value: u64| Setting {
                controller: Controller::Cpu,
                file,
                value: value.to_string(),
                required: true,
            };
            // Memory and swap together may never be less than memory alone: out of the way, memory alone, together.
            settings.push(memory("memory.memsw.limit_in_bytes", "-1".into(), false));
            settings.push(memory("memory.limit_in_bytes", bytes.clone(), true));
            settings.push(memory("memory.memsw.limit_in_bytes", bytes, false));
            settings.push(cpu("cpu.cfs_period_us", PERIOD_MICROS));
            settings.push(cpu("cpu.cfs_quota_us", quota));
        }
        Version::V2 => {
            settings.push(memory("memory.max", bytes, true));
            settings.push(memory("memory.swap.max", "0".into(), false));
            settings.push(memory("memory.oom.group", "1".into(), false));
            let value = format!("{quota} {PERIOD_MICROS}");
            settings.push(Setting { controller: Controller::Cpu, file: "cpu.max", value, required: true });
        }
    }
    settings
}

fn oom_kills_in(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
