//! A thousand sessions and five thousand idle sockets on one `podling up`: what it needs, and that each of them answers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::ensure;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Bench;
use crate::{
    proc::{available, pss},
    server::{Server, Session},
    viewer::{Mode, Viewer},
};

const SESSIONS: usize = 1_000;
const SOCKETS: usize = 5_000;
/// Sessions created at the same time.
const AT_ONCE: usize = 4;
/// One more than the sessions, as `--max-sessions-per-…` want it.
const QUOTA: &str = "1001";
/// Of a session with its runner, its sandbox and its command; measured, and rounded up.
const SESSION_BYTES: u64 = 8 << 20;
/// Of this program and of the server, beside their sockets.
const OTHER_FILES: u64 = 4_000;
const CLEARED: Duration = Duration::from_secs(180);

/// Once: what is measured is a sum over thousands.
pub(crate) fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let needed = SESSION_BYTES * SESSIONS as u64;
    ensure!(available()? > needed, "{SESSIONS} sessions need {} GiB of free memory", needed >> 30);
    raise_open_files()?;
    let server =
        Server::start(&["--warm-runners", "0", "--max-sessions-per-owner", QUOTA, "--max-sessions-per-tenant", QUOTA])?;
    eprint!("\r\x1b[Kscale: {SESSIONS} sessions");
    let started = Instant::now();
    let sessions = create(&server)?;
    bench.value("scale-creates", SESSIONS as f64 / started.elapsed().as_secs_f64());
    eprint!("\r\x1b[Kscale: {SOCKETS} sockets");
    let mut viewers = attach(&server, &sessions)?;
    bench.value("scale-memory", pss(server.pid())? as f64 / 1e6);
    let started = Instant::now();
    answer(&mut viewers)?;
    bench.value("scale-echoes", SOCKETS as f64 / started.elapsed().as_secs_f64());
    drop(viewers);
    eprint!("\r\x1b[Kscale: {SESSIONS} deletes");
    let mut http = server.http()?;
    sessions.into_iter().try_for_each(|session| session.delete(&mut http))?;
    server.cleared(CLEARED);
    eprint!("\r\x1b[K");
    server.end()
}

/// Sockets are files. The server inherits what this process may open.
fn raise_open_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = SOCKETS as u64 + OTHER_FILES;
    ensure!(limit.maximum.is_none_or(|maximum| maximum >= wanted), "{wanted} files cannot be open at once here");
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted.max(limit.current.unwrap_or(wanted))), ..limit })?;
    Ok(())
}

/// Each runs `cat` on a raw terminal.
fn create(server: &Server) -> anyhow::Result<Vec<Session<'_>>> {
    let create = || {
        let mut http = server.http()?;
        let create = |_| server.create(&mut http, "stty raw -echo; printf ready; exec cat", &BTreeMap::new());
        (0..SESSIONS / AT_ONCE).map(create).collect::<anyhow::Result<Vec<_>>>()
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(create)).collect();
        let mut sessions = Vec::new();
        for part in parts {
            sessions.extend(part.join().expect("creating does not panic")?);
        }
        Ok(sessions)
    })
}

/// All sessions get the same number of viewers, with a token each.
fn attach(server: &Server, sessions: &[Session<'_>]) -> anyhow::Result<Vec<Viewer>> {
    let mut http = server.http()?;
    let mut viewers = Vec::with_capacity(SOCKETS);
    for number in 0..SOCKETS {
        let mut viewer = sessions[number % sessions.len()].another(&mut http, Mode::Live)?;
        viewer.sees(b"ready")?;
        viewers.push(viewer);
    }
    Ok(viewers)
}

/// Everybody types and sees it: no socket was closed or forgotten.
fn answer(viewers: &mut [Viewer]) -> anyhow::Result<()> {
    for (number, viewer) in viewers.iter_mut().enumerate() {
        let text = format!("<{number}>");
        viewer.type_in(text.as_bytes())?;
        viewer.sees(text.as_bytes())?;
    }
    Ok(())
}
