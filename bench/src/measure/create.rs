//! From asking for a shell to the first byte it prints: the create, the attach with its token, both hops.

use std::{collections::BTreeMap, time::Instant};

use super::{Bench, millis};
use crate::{raw::Pty, server::Server, viewer::Mode};

pub(super) const COMMAND: &str = "echo first";
/// A session's profile does nothing: nor has this one any.
pub(super) const BARE_SHELL: [&str; 4] = ["bash", "--noprofile", "-lc", COMMAND];
/// What the runner starts.
const SHELL: [&str; 3] = ["bash", "-lc", COMMAND];
/// As many runners as `podling up` keeps warm when it is not told.
const WARM: usize = 2;
/// A sandbox with the namespaces that a session's has, and no profile but an empty one.
const SANDBOX: [&str; 16] = [
    "bwrap",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--die-with-parent",
    "--ro-bind",
    "/",
    "/",
    "--ro-bind",
    "/dev/null",
    "/etc/profile",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
];

/// From the full pool of the server that everybody gets; then a sandbox and a runner of its own each time.
pub(crate) fn measure(bench: &mut Bench<'_>, mode: Mode) -> anyhow::Result<()> {
    let cold = Server::start(&["--warm-runners", "0"])?;
    bench.rounds("create", |bench| {
        bench.server.warmed(WARM);
        let warm = ours(bench.server, mode)?;
        bench.server.warmed(WARM);
        bench.pair("create-warm", warm, spawn(&BARE_SHELL)?);
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

pub(super) fn spawn(words: &[&str]) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut pty = Pty::spawn(words, &BTreeMap::new())?;
    pty.sees(b"first")?;
    Ok(millis(started))
}
