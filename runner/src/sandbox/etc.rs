//! What the sandbox has of the machine's `/etc`.
//!
//! A mount costs bubblewrap 140 µs, and each one makes the next dearer; a start has milliseconds. So what is small is
//! copied into the root, which lies in memory and cannot be written to in the end, and only large folders are mounted.

use std::{
    fs::{self, File, Metadata},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

/// A larger file is mounted.
const SMALL_BYTES: u64 = 96 << 10;
/// A folder of more than this, in all its depth, is mounted.
const FEW: usize = 24;
/// All copies together: they count as the command's memory, whose least limit is 16 MiB. What goes beyond is mounted.
const COPIED_BYTES: u64 = 512 << 10;
/// Each one is an open file of the runner until bubblewrap runs, and 1024 are common as a limit.
const COPIES: usize = 128;
/// What the smallest file takes up in memory.
const PAGE_BYTES: u64 = 4096;

/// What programs read of `/etc`, where it is there. Nothing below holds a secret; `/etc/ssl/private` is why `/etc/ssl`
/// is not here as a whole.
const NAMES: &[&str] = &[
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "ssl/certs",
    "ssl/openssl.cnf",
    "ca-certificates",
    "ca-certificates.conf",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "crypto-policies",
    "localtime",
    "timezone",
    "locale.alias",
    "terminfo",
    "inputrc",
    "bash.bashrc",
    "services",
    "protocols",
    "mime.types",
    "magic",
    "os-release",
    "debian_version",
    "gai.conf",
    "host.conf",
    "fonts",
    "perl",
];

/// Folders that belong to language runtimes and have their versions in their names.
const RUNTIMES: [&str; 2] = ["java-", "python3"];

/// One piece of the sandbox's `/etc`, at the path that it has on the machine.
#[derive(Debug)]
pub(super) enum Piece {
    Folder(PathBuf),
    Link {
        path: PathBuf,
        target: PathBuf,
    },
    /// For everybody to read.
    Copy {
        path: PathBuf,
        bytes: u64,
        content: OwnedFd,
    },
    Mount(PathBuf),
}

/// All of it, folders before what is in them.
pub(super) fn pieces(etc: &Path) -> Vec<Piece> {
    let names = NAMES.iter().map(|name| (*name).to_owned()).chain(runtimes(etc));
    let mut room = Room { bytes: COPIED_BYTES, copies: COPIES };
    names.flat_map(|name| of(etc.join(name), &mut room)).collect()
}

/// How much more may be copied.
struct Room {
    bytes: u64,
    copies: usize,
}

impl Room {
    /// Whether it was enough for these, which take it up.
    fn take(&mut self, pieces: &[Piece]) -> bool {
        let sizes = pieces.iter().filter_map(|piece| match piece {
            Piece::Copy { bytes, .. } => Some(bytes.next_multiple_of(PAGE_BYTES)),
            _ => None,
        });
        let (bytes, copies) = (sizes.clone().sum(), sizes.count());
        let left = self.bytes.checked_sub(bytes).zip(self.copies.checked_sub(copies));
        left.map(|(bytes, copies)| *self = Room { bytes, copies }).is_some()
    }
}

fn runtimes(etc: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(etc) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| RUNTIMES.iter().any(|start| name.starts_with(start))).collect()
}

/// A path, wherever it leads to; nothing where nothing is.
fn of(path: PathBuf, room: &mut Room) -> Vec<Piece> {
    let Ok(found) = fs::metadata(&path) else { return Vec::new() };
    let copied = if found.is_dir() { folder(&path) } else { copy(&path, &found).map(|copy| vec![copy]) };
    copied.ok().filter(|pieces| room.take(pieces)).unwrap_or_else(|| vec![Piece::Mount(path)])
}

/// # Errors
/// When it is no small file that everybody may read.
fn copy(path: &Path, found: &Metadata) -> io::Result<Piece> {
    if !found.is_file() || found.len() > SMALL_BYTES || found.mode() & 0o004 == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(Piece::Copy { path: path.to_owned(), bytes: found.len(), content: File::open(path)?.into() })
}

/// A folder and all that is in it, but no more than is worth a copy.
///
/// # Errors
/// When there is something in it that cannot be copied.
fn folder(top: &Path) -> io::Result<Vec<Piece>> {
    let (mut pieces, mut open) = (Vec::new(), vec![top.to_owned()]);
    while let Some(path) = open.pop() {
        let found = fs::symlink_metadata(&path)?;
        if !found.is_dir() || found.mode() & 0o005 != 0o005 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        pieces.push(Piece::Folder(path.clone()));
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            if found.is_dir() {
                open.push(path);
            } else if found.is_symlink() {
                pieces.push(Piece::Link { target: fs::read_link(&path)?, path });
            } else {
                pieces.push(copy(&path, &found)?);
            }
            if pieces.len() + open.len() > FEW {
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn summary(path: &Path) -> Vec<String> {
        let mut room = Room { bytes: COPIED_BYTES, copies: COPIES };
        let mut words: Vec<_> = of(path.to_owned(), &mut room)
            .into_iter()
            .map(|piece| match piece {
                Piece::Folder(path) => format!("folder {}", path.display()),
                Piece::Link { path, target } => format!("link {} {}", path.display(), target.display()),
                Piece::Copy { path, .. } => format!("copy {}", path.display()),
                Piece::Mount(path) => format!("mount {}", path.display()),
            })
            .map(|words| words.replace(path.to_str().expect("text"), "X"))
            .collect();
        words.sort();
        words
    }

    #[test]
    fn a_small_folder_is_copied_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let top = dir.path().join("top");
        fs::create_dir_all(top.join("in/ner")).expect("folders");
        fs::write(top.join("in/file"), "x").expect("a file");
        symlink("in/file", top.join("link")).expect("a link");
        assert_eq!(
            summary(&top),
            ["copy X/in/file", "folder X", "folder X/in", "folder X/in/ner", "link X/link in/file"]
        );
        assert!(summary(&top.join("missing")).is_empty());
    }

    #[test]
    fn what_is_large_or_not_for_everybody_is_mounted() {
        let dir = tempfile::tempdir().expect("a folder");
        let (large, closed) = (dir.path().join("large"), dir.path().join("closed"));
        fs::write(&large, "x".repeat(1 << 20)).expect("a file");
        assert_eq!(summary(&large), ["mount X"]);
        fs::write(&closed, "secret").expect("a file");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o640)).expect("ours");
        assert_eq!(summary(&closed), ["mount X"]);

        let many = dir.path().join("many");
        fs::create_dir(&many).expect("a folder");
        (0..=FEW).for_each(|number| symlink("x", many.join(number.to_string())).expect("a link"));
        assert_eq!(summary(&many), ["mount X"]);
        let linked = dir.path().join("linked");
        symlink(&closed, &linked).expect("a link");
        assert_eq!(summary(&linked), ["mount X"]);
    }
    #[test]
    fn copies_stay_within_the_room_that_there_is_for_all() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("a file");
        for (bytes, copies, copied) in [(4096, 1, true), (4095, 1, false), (8192, 0, false)] {
            let mut room = Room { bytes, copies };
            let pieces = of(file.clone(), &mut room);
            assert_eq!(matches!(pieces[..], [Piece::Copy { .. }]), copied, "{bytes} {copies}");
            assert!(matches!(of(file.clone(), &mut room)[..], [Piece::Mount(_)]), "{bytes} {copies}");
        }
    }
}
