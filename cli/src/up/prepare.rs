//! What a machine must have before Podling can isolate anything on it.

use std::{
    io::{BufRead, IsTerminal, Write},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, bail};

/// How the sandbox of a session is made here, and what to say when it cannot be.
const HELP: &str = "\
bubblewrap is missing: without it sessions cannot be isolated from this machine.
Install it with:   sudo apt-get install bubblewrap
Or run with:       --isolation none
                   Every command then runs as you, with your files and your network, and nobody is served without a key.";

/// Makes sure that `bwrap` is there: asks whether to install it, or installs it when nobody can be asked and we may.
pub(crate) fn bubblewrap(path: Option<&std::ffi::OsStr>) -> anyhow::Result<()> {
    if find("bwrap", path).is_some() {
        return Ok(());
    }
    let Some(installer) = installer(path) else { bail!(HELP) };
    if std::io::stdin().is_terminal() && !agreed()? {
        bail!(HELP);
    }
    let mut words = installer.iter().map(String::as_str).chain(["apt-get", "install", "-y", "-qq", "bubblewrap"]);
    let program = words.next().expect("the list is not empty");
    eprintln!("installing bubblewrap");
    let status = Command::new(program).args(words).status().context("cannot run apt-get")?;
    if !status.success() || find("bwrap", path).is_none() {
        bail!("installing bubblewrap failed\n{HELP}");
    }
    Ok(())
}

/// The words before `apt-get`, when this user may install.
fn installer(path: Option<&std::ffi::OsStr>) -> Option<Vec<String>> {
    find("apt-get", path)?;
    if rustix::process::geteuid().is_root() {
        return Some(Vec::new());
    }
    find("sudo", path)?;
    let asks_nobody = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    (asks_nobody || std::io::stdin().is_terminal()).then(|| vec!["sudo".to_owned()])
}

fn agreed() -> anyhow::Result<bool> {
    eprint!("bubblewrap, which isolates sessions, is missing. Install it now? [Y/n] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

/// Where a program is found on a search path.
pub(crate) fn find(program: &str, path: Option<&std::ffi::OsStr>) -> Option<PathBuf> {
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
