//! How fast much output arrives, and what that costs: from a key to the last byte, every byte counted.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{Bench, ONE_CPU};
use crate::{
    follower::Follower,
    load::Load,
    proc::{self, HeldThread},
    raw::Pty,
    results::Setting,
    server::Server,
    viewer::Mode,
};

/// What one run through both hops came to.
struct Run {
    seconds: f64,
    /// Of server and runner together.
    cpu: Duration,
    /// Bytes that the viewer did not get, and was told so.
    skipped: u64,
}

/// Bulk in each mode, in turn with a raw PTY; the first mode also with a raw PTY whose screen is followed.
pub(crate) fn measure(bench: &mut Bench<'_>, loads: &[Load], modes: &[Mode]) -> anyhow::Result<()> {
    bench.rounds("bulk", |bench| {
        let mut skipped = 0;
        for load in loads {
            for mode in modes {
                let ours = through_both_hops(bench.server, bench.setting, load, *mode)?;
                ensure!(
                    *mode == Mode::Live || ours.skipped == 0,
                    "{} bytes of a lossless bulk were skipped",
                    ours.skipped
                );
                skipped += ours.skipped;
                let beside = raw(bench.setting, load, |_| {})?;
                let (reached, beside) = (rate(load.bytes - ours.skipped, ours.seconds), rate(load.bytes, beside));
                bench.pair(&format!("bulk-{}-{}", load.name, mode.name()), reached, beside);
                if modes.first() == Some(mode) {
                    let gigabytes = load.bytes as f64 / 1e9;
                    bench.value(&format!("cpu-{}", load.name), ours.cpu.as_secs_f64() / gigabytes);
                    let beside = followed(bench.setting, load)?;
                    bench.pair(&format!("followed-{}", load.name), reached, rate(load.bytes, beside));
                }
            }
        }
        bench.value("bulk-skipped", skipped as f64);
        Ok(())
    })
}

/// In MB/s.
pub(super) fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

fn through_both_hops(server: &Server, setting: Setting, load: &Load, mode: Mode) -> anyhow::Result<Run> {
    let session = server.run(&load.command(), &load.env)?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(b"ready")?;
    let runner = session.runner()?;
    if setting == Setting::OneCpu {
        proc::hold(runner, ONE_CPU)?;
    }
    let cpu = || anyhow::Ok(proc::cpu(server.pid())? + proc::cpu(runner)?);
    let (end, cpu_before) = (viewer.offset + load.bytes, cpu()?);
    let started = Instant::now();
    viewer.type_in(b"\n")?;
    viewer.reaches(end)?;
    let seconds = started.elapsed().as_secs_f64();
    let skipped = viewer.skipped.iter().map(|range| range.end - range.start).sum();
    let run = Run { seconds, cpu: cpu()?.saturating_sub(cpu_before), skipped };
    drop(viewer);
    session.end();
    Ok(run)
}

/// In seconds. The reader stands where the runner does: it shares the one processor when there is one.
pub(super) fn raw(setting: Setting, load: &Load, take: impl FnMut(&[u8])) -> anyhow::Result<f64> {
    let mut pty = Pty::run(&load.command(), &load.env)?;
    pty.sees(b"ready")?;
    let mut held = None;
    if setting == Setting::OneCpu {
        proc::hold(pty.pid()?, ONE_CPU)?;
        held = Some(HeldThread::to(ONE_CPU)?);
    }
    let started = Instant::now();
    pty.type_in(b"\n")?;
    pty.takes(load.bytes, take)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(held);
    Ok(seconds)
}

/// The same while the runner's emulator follows what is read.
fn followed(setting: Setting, load: &Load) -> anyhow::Result<f64> {
    let follower = Follower::start(setting);
    let seconds = raw(setting, load, |bytes| follower.push(bytes))?;
    follower.finish();
    Ok(seconds)
}
