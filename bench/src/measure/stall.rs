//! Viewers that take nothing while a session floods: by how much server and runner grow for each of them.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::Bench;
use crate::{
    proc::pss,
    viewer::{Mode, Step, Viewer},
};

const STALLED: usize = 10;
const FLOOD: &str =
    "printf ready; read x; exec yes 'a line that is about as long as the lines that programs write to terminals'";

/// Before and after so many bytes, that have gone to a viewer which takes them.
pub(crate) fn measure(bench: &mut Bench<'_>, bytes: u64) -> anyhow::Result<()> {
    bench.rounds("stall", |bench| {
        let session = bench.server.run(FLOOD, &BTreeMap::new())?;
        let mut reader = session.attach(Mode::Live)?;
        reader.sees(b"ready")?;
        reader.type_in(b"\n")?;
        let runner = session.runner()?;
        let used = || anyhow::Ok(pss(bench.server.pid())? + pss(runner)?);
        // Every buffer is as full as it gets without the others.
        passes(&mut reader, bytes)?;
        let before = used()?;
        let mut http = bench.server.http()?;
        let stalled = (0..STALLED).map(|_| stalled(session.another(&mut http, Mode::Live)?));
        let stalled = stalled.collect::<anyhow::Result<Vec<_>>>()?;
        passes(&mut reader, bytes)?;
        let more = used()?.saturating_sub(before);
        bench.value("stalled", more as f64 / 1024.0 / STALLED as f64);
        drop((reader, stalled));
        session.end();
        Ok(())
    })
}

/// It has seen the flood, and reads no more.
fn stalled(mut viewer: Viewer) -> anyhow::Result<Viewer> {
    while viewer.offset == 0 {
        viewer.step(|_| {})?;
    }
    Ok(viewer)
}

/// Takes what comes until so much has passed, skipped or not.
fn passes(viewer: &mut Viewer, bytes: u64) -> anyhow::Result<()> {
    let end = viewer.offset + bytes;
    while viewer.offset < end {
        ensure!(!matches!(viewer.step(|_| {})?, Step::Closed(_)), "the stream was closed at {}", viewer.offset);
    }
    Ok(())
}
