//! Installs what the tests need and the machine lacks. What a registry can install and does not fails the run.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::run::{OWN_NODE, cargo, root, step, which};

/// A program, and the Debian package that brings it.
const PACKAGES: [(&str, &str); 15] = [
    ("bwrap", "bubblewrap"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("faketime", "faketime"),
    ("g++", "g++"),
    ("gcc", "gcc"),
    ("git", "git"),
    ("initdb", "postgresql"),
    ("ip", "iproute2"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("redis-server", "redis-server"),
    ("setpriv", "util-linux"),
    ("slirp4netns", "slirp4netns"),
];

/// The same, but for programs that sessions run: a sandbox sees those of the system alone.
const IN_SESSIONS: [(&str, &str); 3] = [("cargo", "cargo"), ("go", "golang-go"), ("npm", "npm")];

/// The version whose verdicts `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";
/// One that fuzzes without a nightly compiler.
const CARGO_FUZZ: &str = "0.13.2";

/// The oldest Node.js that playwright-core runs on.
const NODE_MAJOR: u32 = 20;

pub(crate) fn run() -> anyhow::Result<()> {
    debian()?;
    extension("deny", CARGO_DENY)?;
    extension("fuzz", CARGO_FUZZ)?;
    node()?;
    npm("e2e")?;
    npm("e2e/claude")?;
    npm("e2e/grpc")?;
    npm("e2e/firebase")?;
    npm("screen/oracle")?;
    npm("web")?;
    python("e2e/python")
}

fn debian() -> anyhow::Result<()> {
    let missing = PACKAGES.iter().filter(|(program, _)| !present(program));
    let missing = missing.chain(IN_SESSIONS.iter().filter(|(program, _)| !in_sessions(program)));
    let mut missing: Vec<_> = missing.map(|(_, name)| *name).collect();
    if !makes_environments() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing from Debian: {}", missing.join(" "));
    step(as_root(&["apt-get", "update", "-qq"])?)?;
    let script = root().join("xtask/src/install.sh").display().to_string();
    let install: Vec<_> = ["sh", &script].into_iter().chain(missing).collect();
    step(as_root(&install)?)
}

/// On the search path, or where Debian keeps the programs of each version of Postgres.
fn present(program: &str) -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    which(program).is_some() || versions.into_iter().any(|version| version.path().join("bin").join(program).is_file())
}

fn in_sessions(program: &str) -> bool {
    ["/usr/local/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(program).is_file())
}

/// Whether the system's Python makes environments with pip in them.
fn makes_environments() -> bool {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-I", "-c", "import venv, ensurepip"]).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn as_root(words: &[&str]) -> anyhow::Result<Command> {
    let id = Command::new("id").arg("-u").output().context("cannot ask who runs this")?;
    let (first, rest) = words.split_first().context("a command has a name")?;
    if id.stdout.trim_ascii() == b"0" {
        let mut command = Command::new(first);
        command.args(rest);
        return Ok(command);
    }
    if which("sudo").is_none() {
        bail!("needs root or sudo to run: {}", words.join(" "));
    }
    let mut command = Command::new("sudo");
    command.args(words);
    Ok(command)
}

/// An extension of cargo, in this version.
fn extension(name: &str, version: &str) -> anyhow::Result<()> {
    let have = Command::new("cargo").args([name, "--version"]).output();
    if have.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim_ascii_end().ends_with(version)) {
        return Ok(());
    }
    step(cargo(["install", "--locked", "--quiet", &format!("cargo-{name}"), "--version", version]))
}

/// Debian 12 has version 18.
fn node() -> anyhow::Result<()> {
    let output = Command::new("node").arg("--version").output().context("cannot ask node for its version")?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major: u32| major >= NODE_MAJOR) {
        return Ok(());
    }
    npm(OWN_NODE)
}

fn npm(folder: &str) -> anyhow::Result<()> {
    let folder = root().join(folder);
    installed(&folder.join("package-lock.json"), &folder.join("node_modules"), || {
        let mut command = Command::new("npm");
        command.args(["ci", "--no-progress", "--ignore-scripts"]).current_dir(&folder);
        step(command)
    })
}

/// An environment of its own, of the system's Python.
fn python(folder: &str) -> anyhow::Result<()> {
    let folder = root().join(folder);
    let (requirements, environment) = (folder.join("requirements.txt"), folder.join("venv"));
    installed(&requirements, &environment, || {
        let mut make = Command::new("/usr/bin/python3");
        make.args(["-I", "-m", "venv", "--clear"]).arg(&environment);
        step(make)?;
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement"]);
        pip.arg(&requirements);
        step(pip)
    })
}

/// Runs `install` unless `place` was made of this lock file before.
fn installed(lock: &Path, place: &Path, install: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let stamp = place.join(".podling-lock");
    let wanted = std::fs::read(lock).with_context(|| format!("cannot read {}", lock.display()))?;
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot note what {} was made of", place.display()))
}
