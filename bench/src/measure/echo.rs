//! From a key to its echo: one byte there, one byte back, of a `cat` on a raw terminal.

use std::{collections::BTreeMap, io::Read, time::Instant};

use anyhow::ensure;

use super::{Bench, ONE_CPU, micros};
use crate::{
    proc::{self, HeldThread},
    raw::Pty,
    results::Setting,
    stats::quantile,
    viewer::{Mode, Step, Viewer},
};

pub(super) const COMMAND: &str = "stty raw -echo; printf ready; exec cat";
const FLOOD: &str = "printf ready; read x; exec yes";
/// Not counted: caches and processor clocks are as they will be from then on.
pub(super) const WARM_UP: usize = 20;

/// Idle and beside a flood, each in turn with a raw PTY.
pub(crate) fn measure(bench: &mut Bench<'_>, keys: usize, mode: Mode) -> anyhow::Result<()> {
    bench.rounds("echo", |bench| {
        let (idle, idle_raw) = (ours(bench, keys, mode)?, raw(bench.setting, keys)?);
        let (p50, raw_p50) = (quantile(&idle, 0.5), quantile(&idle_raw, 0.5));
        bench.pair("echo-p50", p50, raw_p50);
        bench.pair("echo-p99", quantile(&idle, 0.99), p50);
        let flooded = beside_a_flood(bench, keys, mode)?;
        bench.pair("echo-flood", quantile(&flooded, 0.5), p50);
        let flooded = raw_beside_a_flood(bench.setting, keys)?;
        bench.pair("echo-flood-raw", quantile(&flooded, 0.5), raw_p50);
        Ok(())
    })
}

/// Microseconds, one key after the other.
fn ours(bench: &Bench<'_>, keys: usize, mode: Mode) -> anyhow::Result<Vec<f64>> {
    let session = bench.server.run(COMMAND, &BTreeMap::new())?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(b"ready")?;
    if bench.setting == Setting::OneCpu {
        proc::hold(session.runner()?, ONE_CPU)?;
    }
    let mut times = Vec::new();
    for _ in 0..WARM_UP + keys {
        times.push(key(&mut viewer)?);
    }
    drop(viewer);
    session.end();
    Ok(times.split_off(WARM_UP))
}

fn key(viewer: &mut Viewer) -> anyhow::Result<f64> {
    let (started, before) = (Instant::now(), viewer.offset);
    viewer.type_in(b"x")?;
    while viewer.offset == before {
        ensure!(!matches!(viewer.step(|_| {})?, Step::Closed(_)), "the stream was closed");
    }
    Ok(micros(started))
}

/// While another session prints without end to a viewer that reads all it can.
fn beside_a_flood(bench: &Bench<'_>, keys: usize, mode: Mode) -> anyhow::Result<Vec<f64>> {
    let session = bench.server.run(FLOOD, &BTreeMap::new())?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(b"ready")?;
    viewer.type_in(b"\n")?;
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || viewer.read_to_end(|_| {}));
        let times = ours(bench, keys, mode);
        session.end();
        reading.join().expect("reading does not panic")?;
        times
    })
}

pub(super) fn raw(setting: Setting, keys: usize) -> anyhow::Result<Vec<f64>> {
    let mut pty = Pty::run(COMMAND, &BTreeMap::new())?;
    pty.sees(b"ready")?;
    let mut held = None;
    if setting == Setting::OneCpu {
        proc::hold(pty.pid()?, ONE_CPU)?;
        held = Some(HeldThread::to(ONE_CPU)?);
    }
    let (mut times, mut echo) = (Vec::new(), [0]);
    for _ in 0..WARM_UP + keys {
        let started = Instant::now();
        pty.type_in(b"x")?;
        pty.master.read_exact(&mut echo)?;
        times.push(micros(started));
    }
    drop(held);
    Ok(times.split_off(WARM_UP))
}

fn raw_beside_a_flood(setting: Setting, keys: usize) -> anyhow::Result<Vec<f64>> {
    let mut flood = Pty::run(FLOOD, &BTreeMap::new())?;
    flood.sees(b"ready")?;
    flood.type_in(b"\n")?;
    let mut master = flood.master.try_clone()?;
    std::thread::scope(|scope| {
        let mut chunk = vec![0; crate::raw::READ_BYTES];
        // The end of the flood is the end of its terminal: EIO.
        let reading = scope.spawn(move || while matches!(master.read(&mut chunk), Ok(1..)) {});
        let times = raw(setting, keys);
        drop(flood);
        reading.join().expect("reading does not panic");
        times
    })
}
