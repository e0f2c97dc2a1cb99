//! Sockets on which nothing happens for ten minutes, beside all else that the long run does.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};

use anyhow::bail;

use crate::{
    results::{Results, Setting},
    server::{Server, Session},
    viewer::{Mode, Step, Viewer},
};

const SOCKETS: usize = 50;
const WHILE: Duration = Duration::from_secs(600);

pub(crate) struct Idle<'a> {
    session: Session<'a>,
    began: Instant,
    over: Arc<AtomicBool>,
    waiting: Vec<JoinHandle<anyhow::Result<Viewer>>>,
}

impl Idle<'_> {
    pub(crate) fn begin(server: &Server) -> anyhow::Result<Idle<'_>> {
        let session = server.run("stty raw -echo; printf ready; exec cat", &BTreeMap::new())?;
        let (mut http, over) = (server.http()?, Arc::<AtomicBool>::default());
        let mut waiting = Vec::with_capacity(SOCKETS);
        for _ in 0..SOCKETS {
            let mut viewer = session.another(&mut http, Mode::Live)?;
            viewer.sees(b"ready")?;
            let over = Arc::clone(&over);
            waiting.push(spawn(move || wait(viewer, &over)));
        }
        Ok(Idle { session, began: Instant::now(), over, waiting })
    }

    /// Returns after ten minutes. Everybody types and sees it.
    #[expect(clippy::disallowed_methods, reason = "that nothing happens for so long is the event")]
    pub(crate) fn end(self, results: &mut Results) -> anyhow::Result<()> {
        eprint!("\r\x1b[Kidle: until ten minutes are over");
        sleep(WHILE.saturating_sub(self.began.elapsed()));
        self.over.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for waiting in self.waiting {
            let mut viewer = waiting.join().expect("waiting does not panic")?;
            let text = format!("<{answered}>");
            viewer.type_in(text.as_bytes())?;
            viewer.sees(text.as_bytes())?;
            answered += 1;
        }
        eprint!("\r\x1b[K");
        results.value("idle", Setting::Free, f64::from(answered));
        self.session.end();
        Ok(())
    }
}

/// Answers pings until it is over, of which the next ping tells.
fn wait(mut viewer: Viewer, over: &AtomicBool) -> anyhow::Result<Viewer> {
    while !over.load(Ordering::Relaxed) {
        if let Step::Closed(code) = viewer.step(|_| ())? {
            bail!("an idle socket was closed with {code}");
        }
    }
    Ok(viewer)
}
