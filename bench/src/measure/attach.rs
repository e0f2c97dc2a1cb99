//! Many viewers of one session: how many attach in a second, each with a token that is verified and spent, and what they
//! get together.

use std::time::Instant;

use anyhow::{Context, ensure};

use super::Bench;
use crate::{
    load::Load,
    server::Session,
    viewer::{Mode, Viewer},
};

/// As many as watch one session in the second measure.
const VIEWERS: usize = 200;
/// That attach at the same time: enough to keep two processors busy.
const AT_ONCE: usize = 8;

pub(crate) fn measure(bench: &mut Bench<'_>, bytes: u64) -> anyhow::Result<()> {
    let load = Load::text(bytes);
    bench.rounds("attach", |bench| {
        // Its end is not what is measured.
        let session = bench.server.run(&format!("{}; exec sleep 1000", load.command()), &load.env)?;
        let tokens = tokens(bench, &session)?;
        let started = Instant::now();
        let viewers = attach(&session, &tokens)?;
        bench.value("attach-rate", VIEWERS as f64 / started.elapsed().as_secs_f64());
        let seconds = watch(viewers, &load)?;
        bench.value("attach-fan", VIEWERS as f64 * load.bytes as f64 / 1e6 / seconds);
        session.end();
        Ok(())
    })
}

fn tokens(bench: &Bench<'_>, session: &Session<'_>) -> anyhow::Result<Vec<String>> {
    let mut http = bench.server.http()?;
    // The session runs when its first viewer sees what it prints; that is not measured.
    session.attach(Mode::Lossless)?.sees(b"ready")?;
    (0..VIEWERS).map(|_| session.token(&mut http)).collect()
}

/// Each has seen what the session printed.
fn attach(session: &Session<'_>, tokens: &[String]) -> anyhow::Result<Vec<Viewer>> {
    let attach = |token: &String| {
        let mut viewer = session.attach_with(token, Mode::Lossless)?;
        viewer.sees(b"ready")?;
        anyhow::Ok(viewer)
    };
    std::thread::scope(|scope| {
        let parts = tokens.chunks(tokens.len().div_ceil(AT_ONCE));
        let parts: Vec<_> =
            parts.map(|part| scope.spawn(|| part.iter().map(attach).collect::<anyhow::Result<Vec<_>>>())).collect();
        let mut viewers = Vec::new();
        for part in parts {
            viewers.extend(part.join().expect("attaching does not panic")?);
        }
        Ok(viewers)
    })
}

/// How many seconds it takes until every viewer has every byte.
fn watch(mut viewers: Vec<Viewer>, load: &Load) -> anyhow::Result<f64> {
    let end = viewers.first().context("there are viewers")?.offset + load.bytes;
    let started = Instant::now();
    viewers.first_mut().context("there are viewers")?.type_in(b"\n")?;
    std::thread::scope(|scope| {
        let reading: Vec<_> = viewers.iter_mut().map(|viewer| scope.spawn(move || viewer.reaches(end))).collect();
        reading.into_iter().try_for_each(|viewer| viewer.join().expect("reading does not panic"))
    })?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(viewers.iter().all(|viewer| viewer.skipped.is_empty()), "a lossless viewer was skipped");
    Ok(seconds)
}
