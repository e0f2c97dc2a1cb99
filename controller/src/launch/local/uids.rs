//! A user of its own for every command, where Podling runs as root.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io,
    ops::Range,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use podling_session::id::LaunchName;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use super::dir::{RunnerDir, names};

/// How many launches can be held at once with a uid each.
const COUNT: u32 = 4096;
/// Far from where distributions and container managers put theirs; 65 536 blocks of `COUNT` fit below 2^29.
const BASE: u32 = 0x1000_0000;
/// Within the 65 536 uids that containers commonly have, above people and below the dynamic users of systemd.
const FALLBACK: u32 = 20_000;
const FALLBACK_BLOCKS: u32 = 8;

/// The uids that launches of a data directory draw from.
pub(super) struct Uids {
    runners: PathBuf,
    range: Range<u32>,
    /// Whoever holds its lock chooses: one launch at a time, of all controllers that have the directory.
    choosing: PathBuf,
}

impl Uids {
    /// None without the right to use others than our own. The range is derived from the path, so that two data
    /// directories of one machine hardly ever share.
    ///
    /// # Errors
    /// When the kernel does not tell which uids there are.
    pub(super) fn of(data_dir: &Path, runners: PathBuf) -> io::Result<Option<Uids>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let range = choose(data_dir, &std::fs::read_to_string("/proc/self/uid_map")?);
        Ok(range.map(|range| Uids { runners, range, choosing: data_dir.join("uids") }))
    }

    /// Records the uid of a launch before it starts. The caller holds its lock. Blocks.
    pub(super) fn assign(&self, dir: &RunnerDir, name: &LaunchName) -> io::Result<()> {
        let choosing = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.choosing)?;
        flock(&choosing, FlockOperation::LockExclusive)?; // Until it is closed. Who has it holds it for milliseconds.
        if dir.uid().is_some_and(|uid| self.range.contains(&uid)) {
            return Ok(()); // From an attempt that was cut short.
        }
        let others = names(&self.runners)?;
        let taken = others.iter().filter_map(|name| RunnerDir::new(&self.runners, name).uid()).collect();
        let uid = pick(&self.range, name.as_str(), &taken);
        dir.record_uid(uid.ok_or_else(|| io::Error::other("every uid of this data directory is in use"))?)
    }
}

fn choose(data_dir: &Path, uid_map: &str) -> Option<Range<u32>> {
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    let block = u32::from(u16::from_be_bytes([digest[0], digest[1]]));
    let bases = [BASE + block * COUNT, FALLBACK + block % FALLBACK_BLOCKS * COUNT];
    bases.into_iter().map(|base| base..base + COUNT).find(|range| admits(uid_map, range))
}

/// Whether a block of the map (user_namespaces(7): inside, outside, length) holds the whole range.
fn admits(uid_map: &str, range: &Range<u32>) -> bool {
    uid_map.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(length))) = (fields.next(), fields.next(), fields.next()) else {
            return false;
        };
        first <= range.start.into() && u64::from(range.end) <= first + length
    })
}

/// A uid that is not taken. Names are spread over the range, so that a uid rests long before it is used again.
pub(super) fn pick(range: &Range<u32>, name: &str, taken: &HashSet<u32>) -> Option<u32> {
    let digest = Sha256::digest(name);
    let start = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % COUNT;
    (0..COUNT).map(|step| range.start + (start + step) % COUNT).find(|uid| !taken.contains(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "         0          0 4294967295\n";

    #[test]
    fn the_range_lies_within_what_the_kernel_maps() {
        let dir = Path::new("/var/lib/podling");
        let whole = choose(dir, WHOLE).expect("everything is mapped");
        assert!(whole.start >= BASE && whole.end <= 0x2000_0000);
        let container = choose(dir, "0 100000 65536\n").expect("enough is mapped");
        assert!(container.start >= FALLBACK && container.end <= 60_000);
        assert_eq!(choose(dir, "0 1000 1\n"), None);
        assert_eq!(choose(dir, "garbage\n"), None);
        assert_ne!(Some(whole), choose(Path::new("/home/u/.podling"), WHOLE));
    }

    #[test]
    fn no_uid_is_given_twice_until_none_is_left() {
        let range = 100..100 + COUNT;
        let mut taken = HashSet::new();
        for launch in 0..COUNT {
            let uid = pick(&range, &launch.to_string(), &taken).expect("one is left");
            assert!(range.contains(&uid) && taken.insert(uid));
        }
        assert_eq!(pick(&range, "late", &taken), None);
    }
}
