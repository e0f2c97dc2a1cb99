//! What a command sees of the machine, as arguments for bubblewrap.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Seek, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::MemfdFlags;

use super::{
    disk::Disk,
    etc::{self, Piece},
    network,
};

pub(super) const WORK: &str = "/work";
pub(super) const HOME: &str = "/home/podling";
pub(super) const PROGRAM: &str = "/opt/podling/bin/podling";
pub(super) const PATH: &str =
    "/opt/podling/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/games:/usr/games";
pub(super) const USER: &str = "podling";
/// Who the command is in a user namespace of its own.
const NAMESPACE_UID: u32 = 1001;
/// Size of `/dev/shm`, which many programs need to be there; memory limits count it, too.
const SHM_BYTES: &str = "67108864";
const RUN_BYTES: &str = "4194304";

/// Beside `/usr`: links into it on most machines, folders of their own on others.
const SYSTEM: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec"];

/// Parents that bubblewrap would otherwise make closed to everyone but root.
const FOLDERS: &[&str] = &[
    "/etc",
    "/etc/ssl",
    "/etc/pki",
    "/etc/pki/tls",
    "/etc/pki/ca-trust",
    "/home",
    "/opt",
    "/opt/podling",
    "/opt/podling/bin",
    "/var",
];

/// A login shell keeps the environment, above all the PATH, that the session was given.
const PROFILE: &str = r#"if [ -n "${PS1-}" ] && [ -n "${BASH-}" ] && [ -r /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi
"#;
const HOSTS: &str = "127.0.0.1\tlocalhost podling\n::1\tlocalhost ip6-localhost ip6-loopback\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// Everything that is particular to one sandbox.
pub(super) struct View<'a> {
    pub disk: &'a Disk,
    pub program: &'a Path,
    /// `None`: a user namespace.
    pub uid: Option<u32>,
    pub seccomp: &'a [Vec<u8>],
    /// Whether this bubblewrap knows `--disable-userns`.
    pub disable_userns: bool,
}

/// Arguments for bubblewrap, and the files in memory that they name by descriptor.
pub(super) struct Arguments {
    pub list: Vec<OsString>,
    pub files: Vec<OwnedFd>,
}

pub(super) fn arguments(view: &View<'_>) -> io::Result<Arguments> {
    let mut arguments = Arguments { list: Vec::new(), files: Vec::new() };
    arguments.namespaces(view);
    arguments.system()?;
    arguments.etc(view.uid.unwrap_or(NAMESPACE_UID))?;
    arguments.places(view);
    for program in view.seccomp {
        let number = arguments.file("seccomp", program)?;
        arguments.add(["--add-seccomp-fd", &number]);
    }
    Ok(arguments)
}

impl Arguments {
    fn add<const N: usize>(&mut self, list: [&str; N]) {
        self.list.extend(list.map(OsString::from));
    }

    fn bind(&mut self, how: &str, source: &Path, target: &str) {
        self.list.extend([how.into(), source.into(), target.into()]);
    }

    /// A file in memory with this content, by its number.
    fn file(&mut self, name: &str, content: &[u8]) -> io::Result<String> {
        let file = in_memory(name, content)?;
        let number = file.as_raw_fd().to_string();
        self.files.push(file);
        Ok(number)
    }

    fn content(&mut self, target: &str, content: &str) -> io::Result<()> {
        let content = in_memory("etc", content.as_bytes())?;
        self.copy(content, target.into());
        Ok(())
    }

    fn copy(&mut self, content: OwnedFd, target: PathBuf) {
        self.add(["--perms", "0444", "--file", &content.as_raw_fd().to_string()]);
        self.list.push(target.into());
        self.files.push(content);
    }

    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Folder(path) => self.list.extend(["--dir".into(), path.into()]),
            Piece::Link { path, target } => self.list.extend(["--symlink".into(), target.into(), path.into()]),
            Piece::Copy { path, content, .. } => self.copy(content, path),
            Piece::Mount(path) => self.list.extend(["--ro-bind-try".into(), path.clone().into(), path.into()]),
        }
    }

    fn namespaces(&mut self, view: &View<'_>) {
        self.add(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
        self.add(["--die-with-parent", "--hostname", USER, "--clearenv"]);
        if view.uid.is_some() {
            // What it takes to become the session's user, in `enter`.
            self.add(["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]);
            self.add(["--cap-add", "CAP_SETPCAP"]);
            return;
        }
        let uid = NAMESPACE_UID.to_string();
        // Root of the namespace that owns the network would hand its rights on.
        self.add(["--unshare-user", "--uid", &uid, "--gid", &uid, "--cap-drop", "ALL"]);
        if view.disable_userns {
            self.add(["--disable-userns"]);
        }
    }

    fn system(&mut self) -> io::Result<()> {
        for folder in FOLDERS {
            self.add(["--dir", folder]);
        }
        self.add(["--ro-bind", "/usr", "/usr"]);
        for name in SYSTEM {
            let path = Path::new("/").join(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    self.list.extend(["--symlink".into(), fs::read_link(&path)?.into(), path.into()]);
                }
                Ok(found) if found.is_dir() => self.list.extend(["--ro-bind".into(), path.clone().into(), path.into()]),
                _ => {}
            }
        }
        self.add(["--proc", "/proc", "--dev", "/dev"]);
        self.add(["--perms", "1777", "--size", SHM_BYTES, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]);
        self.add(["--perms", "1777", "--size", RUN_BYTES, "--tmpfs", "/run"]);
        Ok(())
    }

    fn etc(&mut self, uid: u32) -> io::Result<()> {
        for piece in etc::pieces(Path::new("/etc")) {
            self.piece(piece);
        }
        self.content(
            "/etc/passwd",
            &format!(
                "root:x:0:0:root:/:/usr/sbin/nologin\n{USER}:x:{uid}:{uid}:{USER}:{HOME}:/bin/bash\n\
             nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
            ),
        )?;
        self.content("/etc/group", &format!("root:x:0:\n{USER}:x:{uid}:\nnogroup:x:65534:\n"))?;
        self.content("/etc/hosts", HOSTS)?;
        self.content("/etc/hostname", "podling\n")?;
        self.content("/etc/resolv.conf", &format!("nameserver {}\n", network::NAME_SERVER))?;
        self.content("/etc/nsswitch.conf", NSSWITCH)?;
        self.content("/etc/profile", PROFILE)
    }

    fn places(&mut self, view: &View<'_>) {
        self.bind("--ro-bind", view.program, PROGRAM);
        self.add(["--symlink", "podling", "/opt/podling/bin/sample-cli"]);
        self.bind("--bind", &view.disk.work, WORK);
        self.bind("--bind", &view.disk.home, HOME);
        self.bind("--bind", &view.disk.tmp, "/tmp");
        self.add(["--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"]);
        self.add(["--remount-ro", "/", "--chdir", WORK]);
    }
}

/// `list` as the content of the file that `--args` reads, so that no path of the machine stands in an argument, where
/// the command could read it.
pub(super) fn as_file(list: &[OsString]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for argument in list {
        bytes.extend(OsStr::as_bytes(argument));
        bytes.push(0);
    }
    bytes
}

pub(super) fn in_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(uid: Option<u32>) -> String {
        let disk = Disk::at(Path::new("/x"));
        let view = View { disk: &disk, program: Path::new("/p"), uid, seccomp: &[], disable_userns: true };
        let arguments = arguments(&view).expect("arguments");
        let words: Vec<_> = arguments.list.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn every_namespace_is_its_own() {
        for namespace in ["pid", "ipc", "uts"] {
            assert!(text(None).contains(&format!("--unshare-{namespace} ")), "{namespace}");
        }
    }

    #[test]
    fn a_user_namespace_stands_in_for_a_user_of_its_own() {
        assert!(text(None).contains("--unshare-user") && !text(None).contains("CAP_SETUID"));
        assert!(text(Some(7)).contains("CAP_SETUID") && !text(Some(7)).contains("--unshare-user"));
    }

    #[test]
    fn three_places_can_be_written_and_the_root_cannot() {
        let text = text(None);
        assert_eq!(text.matches("--bind ").count(), 3, "{text}");
        assert!(text.contains("--remount-ro / "));
        for secret in ["/etc /etc", "/root", "/var/run/docker", "/etc/shadow", "/sys"] {
            assert!(!text.contains(&format!(" {secret}")), "{secret}");
        }
    }
}
