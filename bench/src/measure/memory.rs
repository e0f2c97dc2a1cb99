//! What an idle session and an idle socket cost in memory: the proportional set size, which counts a page that several
//! processes share in equal parts.

use std::collections::BTreeMap;

use super::Bench;
use crate::{
    proc::pss,
    server::Server,
    viewer::{Mode, Viewer},
};

/// Enough that one page more or less of the gateway's does not matter.
const SOCKETS: u32 = 200;
const LINES: u32 = 100_000;

pub(crate) fn measure(bench: &mut Bench<'_>, mode: Mode) -> anyhow::Result<()> {
    bench.rounds("memory", |bench| {
        // A server of its own each time: one that has served before has room to spare, and would seem to need nothing.
        // Without others of its kind beside it, a runner shares its code with the server alone.
        let server = Server::start(&["--warm-runners", "0"])?;
        idle(bench, &server, mode)?;
        history(bench, &server, mode)?;
        server.end()
    })
}

/// A session whose command waits, and sockets on it that hear nothing.
fn idle(bench: &mut Bench<'_>, server: &Server, mode: Mode) -> anyhow::Result<()> {
    let session = server.run("printf ready; exec sleep 1000", &BTreeMap::new())?;
    session.attach(mode)?.sees(b"ready")?;
    bench.value("memory-runner", kilobytes(pss(session.runner()?)?));
    let mut http = server.http()?;
    let mut viewers = Vec::new();
    let mut attach = |viewers: &mut Vec<Viewer>| {
        let mut viewer = session.another(&mut http, mode)?;
        viewer.sees(b"ready")?;
        viewers.push(viewer);
        anyhow::Ok(())
    };
    // The first ones bring the code and the buffers that all of them share.
    (0..20).try_for_each(|_| attach(&mut viewers))?;
    let before = pss(server.pid())?;
    (0..SOCKETS).try_for_each(|_| attach(&mut viewers))?;
    let more = pss(server.pid())?.saturating_sub(before);
    bench.value("memory-socket", kilobytes(more) / f64::from(SOCKETS));
    drop(viewers);
    session.end();
    Ok(())
}

/// A session that has printed a hundred thousand lines of 80 characters to a viewer.
fn history(bench: &mut Bench<'_>, server: &Server, mode: Mode) -> anyhow::Result<()> {
    let command = format!("seq -f '%079.0f' 1 {LINES}; printf ready; exec sleep 1000");
    let session = server.run(&command, &BTreeMap::new())?;
    session.attach(mode)?.sees(b"ready")?;
    bench.value("memory-history", kilobytes(pss(session.runner()?)?));
    session.end();
    Ok(())
}

fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
