//! What this machine offers, and how much isolation that makes.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
};

use podling_session::session::Isolation;

use super::{SandboxError, Settings, seccomp, setup};

/// Where bubblewrap is looked for. Not by PATH, which may hold folders that others can write.
pub(super) const BUBBLEWRAP: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// How commands are confined.
#[derive(Debug)]
pub(super) enum Walls {
    /// Not at all. The folder that has `podling` and `sample-cli` for them.
    None {
        bin: PathBuf,
    },
    Bubblewrap {
        bwrap: PathBuf,
        seccomp: Vec<Vec<u8>>,
        disable_userns: bool,
    },
}

impl Walls {
    pub(super) fn of(settings: &Settings, program: &Path) -> Result<Walls, SandboxError> {
        if settings.isolation_none {
            let bin = folder_with(program, &settings.dir.join("bin")).map_err(setup("making a folder of programs"))?;
            return Ok(Walls::None { bin });
        }
        let bwrap = BUBBLEWRAP.map(PathBuf::from).into_iter().find(|path| path.is_file());
        let bwrap = bwrap.ok_or(SandboxError::NoBubblewrap)?;
        let seccomp = seccomp::programs().map_err(SandboxError::Seccomp)?;
        // Only a user namespace can be the last; root makes none.
        let disable_userns = !rustix::process::geteuid().is_root() && disables_userns(&bwrap)?;
        Ok(Walls::Bubblewrap { bwrap, seccomp, disable_userns })
    }
}

/// Whether this bubblewrap knows `--disable-userns`.
fn disables_userns(bwrap: &Path) -> Result<bool, SandboxError> {
    let help = Command::new(bwrap).arg("--help").env_clear().output().map_err(setup("running bwrap"))?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--disable-userns"))
}

/// The executable that is running. Where it has been replaced by a newer one since, that.
pub(super) fn own_executable() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path.as_os_str().as_bytes().strip_suffix(b" (deleted)");
    Ok(replaced.map_or_else(|| path.clone(), |path| PathBuf::from(std::ffi::OsStr::from_bytes(path))))
}

fn folder_with(program: &Path, bin: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(bin)?;
    for name in ["podling", "sample-cli"] {
        match symlink(program, bin.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(bin.to_owned())
}

impl Walls {
    /// Without walls the machine's own `/etc/profile` sets the PATH of a login shell; what the shell reads next puts the
    /// session's programs back to its front.
    pub(super) fn write_profile(&self, home: &Path) -> io::Result<()> {
        let Walls::None { bin } = self else { return Ok(()) };
        let quoted = bin.to_string_lossy().replace('\'', r"'\''");
        fs::write(home.join(".bash_profile"), format!("PATH='{quoted}':\"$PATH\"\n"))
    }
}

/// What there is beside the walls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    pub walls: bool,
    pub own_user: bool,
    pub limits: bool,
}

impl Means {
    pub(super) fn level(self) -> Isolation {
        match self {
            Means { walls: false, .. } => Isolation::None,
            Means { own_user: true, limits: true, .. } => Isolation::Full,
            Means { .. } => Isolation::Reduced,
        }
    }

    /// Fails below `minimum`, and says what is missing.
    pub(super) fn require(self, minimum: Isolation) -> Result<Isolation, SandboxError> {
        let reached = self.level();
        if reached >= minimum {
            return Ok(reached);
        }
        let needs = [
            (self.walls, "a sandbox (isolation none was asked for)"),
            (self.own_user, "a user of the session's own (run as root)"),
            (self.limits, "limits by control groups (run as root or with a delegated group)"),
        ];
        let missing: Vec<_> = needs.iter().filter(|(met, _)| !met).map(|(_, what)| *what).collect();
        Err(SandboxError::BelowMinimum { reached, minimum, missing: missing.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_what_there_is() {
        let check = |walls, own_user, limits, level| {
            assert_eq!(Means { walls, own_user, limits }.level(), level, "{walls} {own_user} {limits}");
        };
        check(true, true, true, Isolation::Full);
        check(true, true, false, Isolation::Reduced);
        check(true, false, true, Isolation::Reduced);
        check(true, false, false, Isolation::Reduced);
        check(false, true, true, Isolation::None);
    }

    #[test]
    fn below_the_minimum_it_refuses_and_says_what_is_missing() {
        let means = Means { walls: true, own_user: true, limits: false };
        let refused = means.require(Isolation::Full).expect_err("no limits").to_string();
        assert!(refused.contains("control groups") && !refused.contains("own user"), "{refused}");
        assert_eq!(means.require(Isolation::Reduced).expect("enough"), Isolation::Reduced);
        assert!(Means { walls: false, ..means }.require(Isolation::Reduced).is_err());
    }
}
