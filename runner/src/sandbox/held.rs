//! Files that have no name any more but are still open: they fill a disk, and no walk finds them.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt, path::Path};

use rustix::process::Pid;

/// More open files than this in one sandbox count as a full disk, like more entries in its folders: looking at them has
/// to be done within seconds.
const MAX_OPEN: usize = 500_000;

/// Files that a process has open, and those that it maps without holding them open. The second need a right of root's
/// (proc_pid_map_files(5)); without it they are not seen.
const FOLDERS: [&str; 2] = ["fd", "map_files"];

/// What such files of `processes` take up on the file system of `disk`, in bytes; `u64::MAX` when there are too many
/// to look at. Not seen are those on their way through a Unix socket, which no process has.
pub(super) fn held_bytes(processes: &[Pid], disk: &Path) -> io::Result<u64> {
    let device = fs::metadata(disk)?.dev();
    let (mut bytes, mut seen, mut looked_at) = (0, HashSet::new(), 0);
    for (pid, folder) in processes.iter().flat_map(|pid| FOLDERS.map(|folder| (pid, folder))) {
        // A process that has ended holds nothing.
        let Ok(open) = fs::read_dir(format!("/proc/{}/{folder}", pid.as_raw_nonzero())) else { continue };
        for descriptor in open.flatten() {
            looked_at += 1;
            if looked_at > MAX_OPEN {
                return Ok(u64::MAX);
            }
            // Follows the link to what is open, name or not.
            let Ok(file) = fs::metadata(descriptor.path()) else { continue };
            if file.nlink() == 0 && file.dev() == device && seen.insert(file.ino()) {
                bytes += file.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_without_a_name_is_seen_once_as_long_as_it_is_open() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let own = [rustix::process::getpid()];
        let path = dir.path().join("x");
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(&vec![1; 8 << 20]).expect("room");
        file.sync_all().expect("blocks");
        let _again = file.try_clone().expect("one more descriptor");
        let named = held_bytes(&own, dir.path()).expect("readable");
        fs::remove_file(&path).expect("ours");
        let held = held_bytes(&own, dir.path()).expect("readable");
        // Other tests of this process hold files, too.
        assert!(held >= 8 << 20 && held >= named, "{held} {named}");
    }
}
