//! What a machine must have before Podling can isolate anything on it.

use std::{
    ffi::OsStr,
    io::{BufRead, IsTerminal, Write},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, bail};

/// A program that sandboxes need, and the Debian package of the same or another name that brings it.
struct Need {
    program: &'static str,
    package: &'static str,
    /// What it does for sessions.
    purpose: &'static str,
    /// What to say when there is none.
    help: &'static str,
}

const WALLS: Need = Need {
    program: "bwrap",
    package: "bubblewrap",
    purpose: "which isolates sessions",
    help: "\
bubblewrap is missing: without it sessions cannot be isolated from this machine.
Install it with:   sudo apt-get install bubblewrap
Or run with:       --isolation none
                   Every command then runs as you, with your files and your network, and nobody is served without a key.",
};

const EGRESS: Need = Need {
    program: "slirp4netns",
    package: "slirp4netns",
    purpose: "which sessions reach the internet by",
    help: "\
slirp4netns is missing: sessions are refused unless they are created with \"egress\": false.
Install it with:   sudo apt-get install slirp4netns",
};

/// Makes sure that there is what isolates sessions, and sees to what connects them: without that one they can still be
/// had, but not with egress.
pub(crate) fn sandbox(path: Option<&OsStr>) -> anyhow::Result<()> {
    WALLS.meet(path)?;
    if let Err(error) = EGRESS.meet(path) {
        eprintln!("{error}");
    }
    Ok(())
}

impl Need {
    /// Asks whether to install what is missing, or installs it when nobody can be asked and we may.
    fn meet(&self, path: Option<&OsStr>) -> anyhow::Result<()> {
        let Need { program, package, help, .. } = *self;
        if find(program, path).is_some() {
            return Ok(());
        }
        let Some(installer) = installer(path) else { bail!(help) };
        if std::io::stdin().is_terminal() && !self.agreed()? {
            bail!(help);
        }
        let mut words = installer.iter().map(String::as_str).chain(["apt-get", "install", "-y", "-qq", package]);
        let first = words.next().expect("the list is not empty");
        eprintln!("installing {package}");
        let status = Command::new(first).args(words).status().context("cannot run apt-get")?;
        if !status.success() || find(program, path).is_none() {
            bail!("installing {package} failed\n{help}");
        }
        Ok(())
    }

    fn agreed(&self) -> anyhow::Result<bool> {
        eprint!("{}, {}, is missing. Install it now? [Y/n] ", self.package, self.purpose);
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
    }
}

/// The words before `apt-get`, when this user may install.
fn installer(path: Option<&OsStr>) -> Option<Vec<String>> {
    find("apt-get", path)?;
    if rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    find("sudo", path)?;
    let asks_nobody = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    (asks_nobody || std::io::stdin().is_terminal()).then(|| vec!["sudo".to_owned()])
}

/// Where a program is found on a search path.
pub(crate) fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_it_is_looked_for_on() {
        assert!(find("sh", Some("/nowhere:/bin".as_ref())).is_some());
        assert!(find("sh", Some("/nowhere".as_ref())).is_none());
        assert!(find("sh", None).is_none());
    }
}
