//! Ctrl-C while a shell floods and its viewer reads slowly: how long until the prompt is on the viewer's screen.

use std::{
    collections::BTreeMap,
    io::Read,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{Bench, ONE_CPU, millis};
use crate::{
    pace::{Pace, READ_BYTES},
    proc::{self, HeldThread},
    raw::Pty,
    results::Setting,
    viewer::{Mode, Search, Step},
};

/// Of the viewer.
pub(super) const BYTES_PER_SECOND: f64 = 2e6;
/// Long enough that whatever can pile up has done so: it takes a few hundredths of a second.
pub(super) const FLOOD: Duration = Duration::from_millis(700);
/// Whoever starts the benchmark may ignore the signal, and a shell would then ignore it as well.
pub(super) const COMMAND: &str = "PS1='at-the-prompt ' exec env --default-signal=INT bash --norc --noprofile -i";
pub(super) const PROMPT: &[u8] = b"at-the-prompt ";
pub(super) const CTRL_C: &[u8] = b"\x03";

pub(crate) fn measure(bench: &mut Bench<'_>, mode: Mode) -> anyhow::Result<()> {
    bench.rounds("interrupt", |bench| {
        let (ours, beside) = (ours(bench, mode)?, raw(bench.setting)?);
        bench.pair("interrupt", ours, beside);
        Ok(())
    })
}

fn ours(bench: &Bench<'_>, mode: Mode) -> anyhow::Result<f64> {
    let session = bench.server.run(COMMAND, &BTreeMap::new())?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(PROMPT)?;
    if bench.setting == Setting::OneCpu {
        proc::hold(session.runner()?, ONE_CPU)?;
    }
    viewer.slow_down(BYTES_PER_SECOND);
    viewer.type_in(b"yes\n")?;
    let started = Instant::now();
    while started.elapsed() < FLOOD {
        ensure!(!matches!(viewer.step(|_| {})?, Step::Closed(_)), "the stream was closed");
    }
    let started = Instant::now();
    viewer.type_in(CTRL_C)?;
    viewer.sees(PROMPT)?;
    let time = millis(started);
    drop(viewer);
    session.end();
    Ok(time)
}

pub(super) fn raw(setting: Setting) -> anyhow::Result<f64> {
    let mut pty = Pty::run(COMMAND, &BTreeMap::new())?;
    pty.sees(PROMPT)?;
    let mut held = None;
    if setting == Setting::OneCpu {
        proc::hold(pty.pid()?, ONE_CPU)?;
        held = Some(HeldThread::to(ONE_CPU)?);
    }
    pty.type_in(b"yes\n")?;
    let (mut pace, mut chunk) = (Pace::new(BYTES_PER_SECOND), vec![0; READ_BYTES]);
    let started = Instant::now();
    while started.elapsed() < FLOOD {
        let count = pty.master.read(&mut chunk)?;
        pace.took(count);
    }
    let (started, mut search) = (Instant::now(), Search::new(PROMPT));
    pty.type_in(CTRL_C)?;
    while !search.found {
        let count = pty.master.read(&mut chunk)?;
        search.look(&chunk[..count]);
        if !search.found {
            pace.took(count);
        }
    }
    drop(held);
    Ok(millis(started))
}
