//! Podling's figures beside those of what it stands on, in turn, in one run: the terminal through both hops beside a raw
//! PTY, and replicas beside their commands to Postgres and Redis.

mod catalogue;
mod floors;
mod follower;
mod http;
mod load;
mod measure;
mod pace;
mod plan;
mod proc;
mod raw;
mod replicas;
mod report;
mod results;
mod server;
mod socket;
mod stats;
mod ttyd;
mod viewer;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use podling_e2e::workspace::root;

use crate::{
    catalogue::Page,
    floors::Floor,
    load::Load,
    measure::{
        Bench, attach, bulk, client, create, echo, idle::Idle, interrupt, join, memory, reconnect, scale, stall,
        ttyd as ttyd_too,
    },
    plan::{Extent, PARTS, Part, Rounds},
    replicas::ReplicasArgs,
    results::{Results, Setting},
    server::Server,
    viewer::Mode,
};

/// How often a part is measured again in CI.
const AGAIN: u32 = 2;

/// Measures Podling against a raw PTY
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Command {
    #[command(flatten)]
    terminal: Args,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Subcommand)]
enum Other {
    Replicas(ReplicasArgs),
}

#[derive(clap::Args)]
struct Args {
    /// As CI does: small and quick, and an error when a figure is beyond its floor in docs/specification.md
    #[arg(long, conflicts_with = "long")]
    ci: bool,

    /// For about ten minutes, with a thousand sessions at the end
    #[arg(long)]
    long: bool,

    /// Write docs/performance.md and its plots
    #[arg(long)]
    write: bool,

    /// Only this. May be repeated
    #[arg(long)]
    only: Vec<Part>,

    /// What viewers ask for: bulk and cuts are measured in each, the others in the first
    #[arg(long, default_values = ["live", "lossless"])]
    mode: Vec<Mode>,

    /// Rounds of each measure; the two sides take turns. Default: 5, and as many as there is time for with --long
    #[arg(long)]
    rounds: Option<u32>,

    /// Only with runner and command held to one processor together, or only without. Default: both; without with --ci
    #[arg(long)]
    one_cpu: Option<bool>,

    /// Where to write every value as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Args {
    fn extent(&self) -> Extent {
        match (self.ci, self.long) {
            (true, _) => Extent::Ci,
            (_, true) => Extent::Long,
            _ => Extent::Table,
        }
    }

    fn settings(&self) -> &'static [Setting] {
        match self.one_cpu.or(self.ci.then_some(false)) {
            None => &[Setting::Free, Setting::OneCpu],
            Some(true) => &[Setting::OneCpu],
            Some(false) => &[Setting::Free],
        }
    }

    /// None: it is not wanted.
    fn rounds(&self, part: Part, setting: Setting) -> Option<Rounds> {
        // What only the long run has can be asked for by name.
        let extent = if self.only.contains(&part) && part == Part::Scale { Extent::Long } else { self.extent() };
        let rounds = extent.rounds(part, setting).filter(|_| self.only.is_empty() || self.only.contains(&part))?;
        Some(match self.rounds {
            Some(exactly) => Rounds { least: exactly, most: exactly, ..rounds },
            None => rounds,
        })
    }
}

fn main() -> ExitCode {
    let Command { terminal, other } = Command::parse();
    let outcome = match &other {
        None => run(&terminal),
        Some(Other::Replicas(args)) => replicas::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let floors = floors::parse(&std::fs::read_to_string(root().join("docs/specification.md"))?)?;
    let server = Server::start(&[])?;
    let mut results = Results::default();
    let idle = (args.long && args.only.is_empty()).then(|| Idle::begin(&server)).transpose()?;
    for setting in args.settings() {
        for part in PARTS {
            if let Some(rounds) = args.rounds(part, *setting) {
                results.extend(measured(part, args, &server, *setting, rounds, &floors)?);
            }
        }
    }
    if let Some(idle) = idle {
        idle.end(&mut results)?;
    }
    server.end()?;
    print!("{}", report::table(&results));
    println!("in {:.0} s", started.elapsed().as_secs_f64());
    if let Some(path) = &args.json {
        report::write_json(&results, path)?;
    }
    if args.write {
        report::write(&results, &command("terminal"), &root())?;
    }
    let broken = floors::broken(&floors, &results, (args.ci && args.only.is_empty()).then_some(Page::Terminal));
    ensure!(!args.ci || broken.is_empty(), "beyond the floor: {}", broken.join("; "));
    Ok(())
}

/// How this run was asked for, by the name that xtask gives it.
fn command(name: &str) -> String {
    let arguments = std::env::args().skip(1).filter(|argument| argument != name);
    format!("cargo xtask bench {name} {}", arguments.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
}

/// In CI what is beyond its floor is measured again: a neighbour may have been busy, but not for ever.
fn measured(
    part: Part,
    args: &Args,
    server: &Server,
    setting: Setting,
    rounds: Rounds,
    floors: &[Floor],
) -> anyhow::Result<Results> {
    let mut left = if args.ci { AGAIN } else { 0 };
    loop {
        let mut results = Results::default();
        let mut bench = Bench { server, results: &mut results, setting, rounds };
        measure(part, args, &mut bench).inspect_err(|_| eprintln!("\n{}", server.last_words()))?;
        let broken = floors::broken(floors, &results, None);
        if broken.is_empty() || left == 0 {
            return Ok(results);
        }
        left -= 1;
        eprintln!("measured again: {}", broken.join("; "));
    }
}

fn measure(part: Part, args: &Args, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (extent, first) = (args.extent(), *args.mode.first().context("there is a mode")?);
    match part {
        Part::Client => client::measure(bench, extent.bulk_bytes()),
        Part::Bulk => bulk::measure(bench, &loads(extent), &args.mode),
        Part::Echo => echo::measure(bench, extent.keys(), first),
        // Without `live` the prompt comes after all that piled up: it is what `live` is for.
        Part::Interrupt if !args.mode.contains(&Mode::Live) => Ok(()),
        Part::Interrupt => interrupt::measure(bench, Mode::Live),
        Part::Create => create::measure(bench, first),
        Part::Reconnect => reconnect::measure(bench, &args.mode, extent.lines()),
        Part::Attach => attach::measure(bench, extent.fan_bytes()),
        Part::Join => join::measure(bench),
        Part::Stall => stall::measure(bench, extent.flood_bytes()),
        Part::Ttyd => ttyd_too::measure(bench, &loads(extent), extent.keys()),
        Part::Memory => memory::measure(bench, first),
        Part::Scale => scale::measure(bench),
    }
}

fn loads(extent: Extent) -> [Load; 3] {
    let bytes = extent.bulk_bytes();
    [Load::text(bytes), Load::seq(extent.seq_lines()), Load::tui(bytes)]
}
