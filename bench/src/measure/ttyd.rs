//! What ttyd makes of the same commands, in turn with the same raw PTY. Nothing where there is no ttyd.

use std::{collections::BTreeMap, time::Instant};

use super::{Bench, bulk, create, echo, interrupt, micros, millis};
use crate::{
    load::Load,
    results::Setting,
    stats::quantile,
    ttyd::{Terminal, Ttyd, is_here},
};

pub(crate) fn measure(bench: &mut Bench<'_>, loads: &[Load], keys: usize) -> anyhow::Result<()> {
    if !is_here() {
        eprintln!("no ttyd is on the PATH: it is left out");
        return Ok(());
    }
    bench.rounds("ttyd", |bench| {
        for load in loads {
            let (theirs, beside) = (bulk(load)?, bulk::raw(Setting::Free, load, |_| {})?);
            bench.pair(&format!("ttyd-{}", load.name), bulk::rate(load.bytes, theirs), bulk::rate(load.bytes, beside));
        }
        let (theirs, beside) = (echo(keys)?, echo::raw(Setting::Free, keys)?);
        bench.pair("ttyd-echo", quantile(&theirs, 0.5), quantile(&beside, 0.5));
        let (theirs, beside) = (interrupt()?, interrupt::raw(Setting::Free)?);
        bench.pair("ttyd-interrupt", theirs, beside);
        let (theirs, beside) = (create()?, create::spawn(&create::BARE_SHELL)?);
        bench.pair("ttyd-create", theirs, beside);
        Ok(())
    })
}

/// As raw PTYs are run.
fn shell(command: &str, env: &BTreeMap<String, String>) -> anyhow::Result<(Ttyd, Terminal)> {
    let ttyd = Ttyd::serving(&["bash", "-c", command], env)?;
    let terminal = ttyd.open()?;
    Ok((ttyd, terminal))
}

/// In seconds.
fn bulk(load: &Load) -> anyhow::Result<f64> {
    let (_ttyd, mut terminal) = shell(&load.command(), &load.env)?;
    terminal.sees(b"ready")?;
    let started = Instant::now();
    terminal.type_in(b"\n")?;
    terminal.takes(load.bytes)?;
    Ok(started.elapsed().as_secs_f64())
}

/// In microseconds, one key after the other.
fn echo(keys: usize) -> anyhow::Result<Vec<f64>> {
    let (_ttyd, mut terminal) = shell(echo::COMMAND, &BTreeMap::new())?;
    terminal.sees(b"ready")?;
    let mut times = Vec::new();
    for _ in 0..echo::WARM_UP + keys {
        let started = Instant::now();
        terminal.type_in(b"x")?;
        terminal.takes(1)?;
        times.push(micros(started));
    }
    Ok(times.split_off(echo::WARM_UP))
}

/// In milliseconds.
fn interrupt() -> anyhow::Result<f64> {
    let (_ttyd, mut terminal) = shell(interrupt::COMMAND, &BTreeMap::new())?;
    terminal.sees(interrupt::PROMPT)?;
    terminal.slow_down(interrupt::BYTES_PER_SECOND);
    terminal.type_in(b"yes\n")?;
    let started = Instant::now();
    while started.elapsed() < interrupt::FLOOD {
        terminal.step(|_| {})?;
    }
    let started = Instant::now();
    terminal.type_in(interrupt::CTRL_C)?;
    terminal.sees(interrupt::PROMPT)?;
    Ok(millis(started))
}

/// In milliseconds, from the connection on: the server has been there.
fn create() -> anyhow::Result<f64> {
    let ttyd = Ttyd::serving(&create::BARE_SHELL, &BTreeMap::new())?;
    let started = Instant::now();
    ttyd.open()?.sees(b"first")?;
    Ok(millis(started))
}
