//! The measures. Each takes turns with what stands beside it and adds a value a round to the results.

pub(crate) mod attach;
pub(crate) mod bulk;
pub(crate) mod client;
pub(crate) mod create;
pub(crate) mod echo;
pub(crate) mod idle;
pub(crate) mod interrupt;
pub(crate) mod join;
pub(crate) mod memory;
pub(crate) mod reconnect;
pub(crate) mod scale;
pub(crate) mod stall;
pub(crate) mod ttyd;

use std::time::Instant;

use anyhow::Context;

use crate::{
    plan::Rounds,
    results::{Results, Setting},
    server::Server,
};

/// What every measure needs.
pub(crate) struct Bench<'a> {
    pub(crate) server: &'a Server,
    pub(crate) results: &'a mut Results,
    pub(crate) setting: Setting,
    pub(crate) rounds: Rounds,
}

/// The processor that runner and command share when they are held to one.
pub(crate) const ONE_CPU: usize = 1;

impl Bench<'_> {
    pub(crate) fn pair(&mut self, id: &str, ours: f64, beside: f64) {
        self.results.pair(id, self.setting, ours, beside);
    }

    pub(crate) fn value(&mut self, id: &str, ours: f64) {
        self.results.value(id, self.setting, ours);
    }

    /// Runs a round as often as it is to be run, and says so.
    pub(crate) fn rounds(
        &mut self,
        what: &str,
        mut round: impl FnMut(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (started, mut measured) = (Instant::now(), 0);
        while self.rounds.another(measured, started.elapsed()) {
            measured += 1;
            eprint!("\r\x1b[K{what}: round {measured}");
            round(self).with_context(|| format!("round {measured} of {what}"))?;
        }
        eprint!("\r\x1b[K");
        Ok(())
    }
}

pub(crate) fn millis(since: Instant) -> f64 {
    micros(since) / 1e3
}

pub(crate) fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}
