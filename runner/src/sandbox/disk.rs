//! The only places that a command can write: their making, their size, their owner, their removal.
//!
//! All of it is done on trees that belong to a hostile command. Nothing here follows a symbolic link, resolves a path
//! of more than one name, or recurses.

use std::{
    collections::HashSet,
    ffi::{CStr, CString},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// A tree deeper than this counts as full. Every level holds a descriptor open while the tree is walked, and paths end
/// at 4096 characters anyway.
const MAX_DEPTH: usize = 256;
/// A tree of more entries than this counts as full: looking at them has to be done within seconds.
const MAX_ENTRIES: u64 = 1_000_000;
/// What an entry costs beside its blocks: an empty file has none, and still uses up an inode.
const INODE_BYTES: u64 = 512;

/// The folder `disk` of a launch.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub root: PathBuf,
    pub work: PathBuf,
    pub home: PathBuf,
    pub tmp: PathBuf,
}

impl Disk {
    pub(super) fn at(dir: &Path) -> Disk {
        let root = dir.join("disk");
        Disk { work: root.join("work"), home: root.join("home"), tmp: root.join("tmp"), root }
    }

    pub(super) fn create(&self) -> io::Result<()> {
        for (folder, mode) in [(&self.root, 0o755), (&self.work, 0o755), (&self.home, 0o700), (&self.tmp, 0o1777)] {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Gives the places and all that is in them to `uid`.
    pub(super) fn give_to(&self, uid: u32) -> io::Result<()> {
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
        for folder in [&self.work, &self.home, &self.tmp] {
            rustix::fs::chown(folder, user, group)?;
        }
        let give = |at: BorrowedFd<'_>, name: &CStr, _: &Stat| {
            ignore_gone(chownat(at, name, user, group, AtFlags::SYMLINK_NOFOLLOW))
        };
        match walk(&self.root, give)? {
            Walked::All => Ok(()),
            Walked::TooDeep => Err(io::Error::other(format!("more than {MAX_DEPTH} folders within each other"))),
            Walked::TooMany => Err(io::Error::other(format!("more than {MAX_ENTRIES} files"))),
        }
    }

    /// What is in use, in bytes: blocks rather than lengths, a file with several links once. More than can be counted
    /// in reasonable time is `u64::MAX`.
    pub(super) fn used_bytes(&self) -> io::Result<u64> {
        let (mut bytes, mut linked) = (0_u64, HashSet::new());
        let count = |_: BorrowedFd<'_>, _: &CStr, stat: &Stat| {
            if stat.st_nlink == 1 || is_dir(stat) || linked.insert(stat.st_ino) {
                bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512 + INODE_BYTES;
            }
            Ok(())
        };
        match walk(&self.root, count)? {
            Walked::All => Ok(bytes),
            Walked::TooDeep | Walked::TooMany => Ok(u64::MAX),
        }
    }
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// A running command removes what is being looked at; that is no error.
fn ignore_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

enum Walked {
    All,
    TooDeep,
    TooMany,
}

/// Shows `visit` every entry below `root`, each by the descriptor of its folder and its name there.
fn walk(root: &Path, mut visit: impl FnMut(BorrowedFd<'_>, &CStr, &Stat) -> io::Result<()>) -> io::Result<Walked> {
    let mut open = vec![Dir::new(open_dir(rustix::fs::CWD, root)?)?];
    let mut entries = 0;
    while let Some(folder) = open.last_mut() {
        let Some(entry) = folder.read() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if is_self_or_parent(name) {
            continue;
        }
        entries += 1;
        if entries > MAX_ENTRIES {
            return Ok(Walked::TooMany);
        }
        if let Some(inner) = look_at(folder.fd()?, name, &mut visit)? {
            if open.len() >= MAX_DEPTH {
                return Ok(Walked::TooDeep);
            }
            open.push(Dir::new(inner)?);
        }
    }
    Ok(Walked::All)
}

/// Visits one entry, and opens it when it is a folder.
fn look_at(
    folder: BorrowedFd<'_>,
    name: &CStr,
    visit: &mut impl FnMut(BorrowedFd<'_>, &CStr, &Stat) -> io::Result<()>,
) -> io::Result<Option<OwnedFd>> {
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    visit(folder, name, &stat)?;
    if !is_dir(&stat) {
        return Ok(None);
    }
    match open_own_dir(folder, name) {
        Ok(inner) => Ok(Some(inner)),
        // Replaced by something else since it was looked at.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn is_self_or_parent(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn open_dir(at: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Without root, the command runs as our own user and can close a folder to us (and hide in it what it writes), but
/// not keep us from opening it again.
fn open_own_dir(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    match open_dir(at, name) {
        Err(Errno::ACCESS) => claim_dir(at, name),
        opened => opened,
    }
}

/// Opens a folder of ours whatever its mode is, and leaves it open to us.
fn claim_dir(at: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let place = openat(at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    // By the descriptor: `fchmodat` follows a link that has taken the name since.
    rustix::fs::chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU)?;
    open_dir(place, c".")
}

/// Removes `dir/disk` however deep and wide it is; nothing there is success. Every folder found inside is moved up
/// beside the first, so that no path and no stack grows with the depth.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    let bin = dir.join("disk.removed");
    match fs::create_dir(&bin) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        made => made?,
    }
    let top = open_dir(rustix::fs::CWD, &bin)?;
    let mut moved = 0;
    // What an earlier attempt has left.
    while empty_all(&top, &mut moved)? {}
    ignore_gone(rustix::fs::rename(dir.join("disk"), bin.join("disk")))?;
    while empty_all(&top, &mut moved)? {}
    fs::remove_dir(bin)
}

/// Empties and removes every folder that is in `top` now. `false` when there was none.
fn empty_all(top: &OwnedFd, moved: &mut u64) -> io::Result<bool> {
    let mut names: Vec<CString> = Vec::new();
    for entry in Dir::read_from(top)? {
        let name = entry?.file_name().to_owned();
        if !is_self_or_parent(&name) {
            names.push(name);
        }
    }
    for name in &names {
        empty(top, &claim_dir(top.as_fd(), name)?, moved)?;
        unlinkat(top, name, AtFlags::REMOVEDIR)?;
    }
    Ok(!names.is_empty())
}

/// Unlinks what is in `folder`, and moves the folders in it to `top`.
fn empty(top: &OwnedFd, folder: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    // Entries that are removed during a read may hide others from it, so it is repeated until nothing is found.
    loop {
        let mut found = false;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if !is_self_or_parent(name) {
                found = true;
                take_out(top, folder, name, moved)?;
            }
        }
        if !found {
            return Ok(());
        }
    }
}

fn take_out(top: &OwnedFd, folder: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        other => return ignore_gone(other),
    }
    // Moving a folder needs the right to write into it.
    claim_dir(folder.as_fd(), name)?;
    loop {
        *moved += 1;
        match renameat(folder, name, top, format!("{moved}")) {
            // A name that an earlier attempt has left.
            Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests;
