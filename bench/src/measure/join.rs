//! A viewer that joins late and wants all that was printed: how long until it has a hundred thousand lines.

use std::{collections::BTreeMap, time::Instant};

use anyhow::ensure;

use super::{Bench, millis};
use crate::viewer::{Drawing, Mode, Step};

/// As many as a client can ask for.
const LINES: u32 = 100_000;

pub(crate) fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    bench.rounds("join", |bench| {
        let command = format!("seq -f '%079.0f' 1 {LINES}; printf ready; exec sleep 1000");
        let session = bench.server.run(&command, &BTreeMap::new())?;
        let mut early = session.attach(Mode::Lossless)?;
        early.sees(b"ready")?;
        let token = session.token(&mut bench.server.http()?)?;
        let (started, mut lines) = (Instant::now(), 0);
        let mut late = session.join(&token, LINES)?;
        while late.offset < early.offset {
            let step = late.step(|drawing| lines += ends(drawing))?;
            ensure!(!matches!(step, Step::Closed(_)), "the stream was closed at {}", late.offset);
        }
        bench.value("join", millis(started));
        ensure!(late.skipped.is_empty() && lines == LINES as usize, "{lines} of {LINES} lines came");
        drop((early, late));
        session.end();
        Ok(())
    })
}

/// How many lines end in it.
fn ends(drawing: &Drawing<'_>) -> usize {
    drawing.bytes().iter().filter(|byte| **byte == b'\n').count()
}
