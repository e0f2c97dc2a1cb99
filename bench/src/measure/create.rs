//! From asking for a shell to the first byte it prints: the create, the attach with its token, both hops.

use std::{collections::BTreeMap, time::Instant};

use super::{Bench, millis};
use crate::{raw::Pty, server::Server, viewer::Mode};

const COMMAND: &str = "echo first";
/// The login shell of a session has no profile that does anything: nor has this one.
const SHELL: [&str; 4] = ["bash", "--noprofile", "-lc", COMMAND];
/// A sandbox with the namespaces that a session's has.
const SANDBOX: [&str; 13] = [
    "bwrap",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--die-with-parent",
    "--ro-bind",
    "/",
    "/",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
];

/// A sandbox, a runner and a session of its own each time.
pub(crate) fn measure(bench: &mut Bench<'_>, mode: Mode) -> anyhow::Result<()> {
    let cold = Server::start(&["--warm-runners", "0"])?;
    bench.rounds("create", |bench| {
        let ours = ours(&cold, mode)?;
        bench.pair("create-cold", ours, spawn(&[&SANDBOX[..], &SHELL[..]].concat())?);
        Ok(())
    })?;
    cold.end()
}

fn ours(server: &Server, mode: Mode) -> anyhow::Result<f64> {
    let mut http = server.http()?;
    let started = Instant::now();
    let session = server.create(&mut http, COMMAND, &BTreeMap::new())?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(b"first")?;
    let time = millis(started);
    drop(viewer);
    session.end();
    Ok(time)
}

fn spawn(words: &[&str]) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut pty = Pty::spawn(words, &BTreeMap::new())?;
    pty.sees(b"first")?;
    Ok(millis(started))
}
