//! What a second replica costs: one controller and gateway, two of each, and the commands that they give to Postgres and
//! Redis, given by nobody but a loop. All take turns in one run.

mod load;
mod raw;
mod set;

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use clap::Args;
use podling_servers::{Postgres, Redis};

use self::{raw::Raw, set::Set};
use crate::{
    catalogue::Page,
    floors::{self, Floor},
    report,
    results::{Results, Setting},
};

/// Who creates or attaches at the same time, and what the other side has of connections.
const CALLERS: usize = 16;
/// A median of fewer rounds is noise.
const ROUNDS: u32 = 5;
/// How often all is measured again in CI.
const AGAIN: u32 = 2;

/// Measures one controller and gateway against two of each, and both against their SQL and Redis commands
#[derive(Args)]
pub(crate) struct ReplicasArgs {
    /// As CI does: short, and an error when a figure is beyond its floor in docs/specification.md
    #[arg(long)]
    ci: bool,

    /// Write docs/replicas.md
    #[arg(long)]
    write: bool,

    /// Rounds of each measure; all sides take turns
    #[arg(long, default_value_t = ROUNDS)]
    rounds: u32,

    /// Where to write every value as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

impl ReplicasArgs {
    /// How long each side of a round is measured.
    fn window(&self) -> Duration {
        Duration::from_secs(if self.ci { 1 } else { 3 })
    }
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
pub(crate) fn run(args: &ReplicasArgs) -> anyhow::Result<()> {
    let floors = floors::parse(&std::fs::read_to_string(crate::root().join("docs/specification.md"))?)?;
    let sides = Sides::start()?;
    let results = sides.measured(args, &floors).inspect_err(|_| eprintln!("\n{}", sides.last_words()))?;
    sides.end()?;
    print!("{}", report::table(&results));
    if let Some(path) = &args.json {
        report::write_json(&results, path)?;
    }
    if args.write {
        report::write_replicas(&results, &crate::command("replicas"), &crate::root())?;
    }
    let broken = floors::broken(&floors, &results, Some(Page::Replicas));
    ensure!(!args.ci || broken.is_empty(), "beyond the floor: {}", broken.join("; "));
    Ok(())
}

/// Everything that takes turns. What does not is idle meanwhile.
struct Sides {
    raw: Raw,
    one: Set,
    two: Set,
    /// Last: the others use them.
    _redis: Redis,
    _postgres: Postgres,
}

impl Sides {
    fn start() -> anyhow::Result<Sides> {
        let (postgres, redis) = (Postgres::start(), Redis::start());
        Ok(Sides {
            raw: Raw::start(&postgres, &redis)?,
            one: Set::start(1, &postgres, &redis)?,
            two: Set::start(2, &postgres, &redis)?,
            _redis: redis,
            _postgres: postgres,
        })
    }

    /// In CI what is beyond its floor is measured again: a neighbour may have been busy, but not for ever.
    fn measured(&self, args: &ReplicasArgs, floors: &[Floor]) -> anyhow::Result<Results> {
        let mut left = if args.ci { AGAIN } else { 0 };
        loop {
            let mut results = Results::default();
            for round in 1..=args.rounds {
                eprint!("\r\x1b[Kreplicas: round {round}");
                self.round(args.window(), &mut results)?;
            }
            eprint!("\r\x1b[K");
            let broken = floors::broken(floors, &results, None);
            if broken.is_empty() || left == 0 {
                return Ok(results);
            }
            left -= 1;
            eprintln!("measured again: {}", broken.join("; "));
        }
    }

    fn round(&self, window: Duration, results: &mut Results) -> anyhow::Result<()> {
        let mut note = |what: &str, raw: f64, one: f64, two: f64| {
            results.pair(&format!("{what}-one"), Setting::Free, one, raw);
            results.pair(&format!("{what}-two"), Setting::Free, two, raw);
            results.pair(&format!("{what}-scale"), Setting::Free, two, one);
        };
        note("creates", self.raw.creates(window)?, self.one.creates(window)?, self.two.creates(window)?);
        note("redeems", self.raw.redeems(window)?, self.one.redeems(window)?, self.two.redeems(window)?);
        Ok(())
    }

    fn last_words(&self) -> String {
        self.one.last_words() + &self.two.last_words()
    }

    fn end(self) -> anyhow::Result<()> {
        self.one.end()?;
        self.two.end()
    }
}
