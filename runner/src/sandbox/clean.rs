//! Removing what a launch leaves behind, also on behalf of a runner that was killed.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use podling_session::id::LaunchName;

use super::{
    cgroup::{Cgroup, Trees},
    disk,
    wait::until,
};

/// How long processes that die with a killed runner may still write to its disk.
const PATIENCE: Duration = Duration::from_secs(5);
/// The runner's own place in the trees of control groups, below which its launch's group may be.
const RECORD: &str = "cgroup";

/// Notes, before any group is made, where it will be looked for.
pub(super) fn record(dir: &Path) -> io::Result<()> {
    fs::write(dir.join(RECORD), fs::read("/proc/self/cgroup").unwrap_or_default())
}

/// Kills what is left in the control group of a launch, removes the group, and removes what the sandbox has made in
/// `dir`. The runner of the launch is dead. Success when nothing is left, or never was. Blocks.
pub fn clean(dir: &Path, name: &LaunchName) -> io::Result<()> {
    let recorded = fs::read_to_string(dir.join(RECORD)).unwrap_or_default();
    for trees in [Trees::of_this_machine(), Trees::of_this_machine().seen_from(recorded)] {
        for group in Cgroup::find(&trees, name) {
            group.kill()?;
            group.remove()?;
        }
    }
    until(Instant::now() + PATIENCE, || match disk::remove(dir) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        removed => removed.map(|()| true),
    })?;
    absent(fs::remove_dir_all(dir.join("bin")))?;
    absent(fs::remove_file(dir.join(RECORD)))
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
