//! The terminal pipeline's figures: Podling through both hops, and a raw PTY beside it, in turn, in one run.

mod catalogue;
mod floors;
mod http;
mod load;
mod measure;
mod pace;
mod proc;
mod raw;
mod report;
mod results;
mod server;
mod socket;
mod stats;
mod viewer;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};

use crate::{
    load::Load,
    measure::{Bench, bulk, create, echo, interrupt, memory, reconnect},
    results::{Results, Setting},
    server::Server,
    viewer::Mode,
};

/// Measures Podling against a raw PTY.
#[derive(Parser)]
struct Args {
    /// As CI does: small and quick, and an error when a figure is beyond its floor in docs/specification.md
    #[arg(long, conflicts_with = "long")]
    ci: bool,

    /// For ten minutes
    #[arg(long)]
    long: bool,

    /// Write docs/performance.md and its plots
    #[arg(long)]
    write: bool,

    /// Only this. May be repeated
    #[arg(long)]
    only: Vec<Part>,

    /// What viewers ask for
    #[arg(long, default_value = "lossless")]
    mode: Vec<Mode>,

    /// Rounds of each measure; the two sides take turns. Default: 5; 3 with --ci, 20 with --long
    #[arg(long)]
    rounds: Option<u32>,

    /// Only with runner and command held to one processor together, or only without. Default: both; without with --ci
    #[arg(long)]
    one_cpu: Option<bool>,

    /// Where to write every value as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How much is measured.
struct Plan {
    rounds: u32,
    /// Of the files that bulk prints.
    bulk_bytes: u64,
    /// Of numbers that bulk prints.
    seq_lines: u64,
    /// Of one round of echo.
    keys: usize,
    settings: Vec<Setting>,
}

impl Plan {
    fn of(args: &Args) -> Plan {
        let (rounds, bulk_bytes, seq_lines, keys) = match (args.ci, args.long) {
            (true, _) => (3, 16 << 20, 1_000_000, 300),
            (_, true) => (20, 64 << 20, 5_000_000, 1_000),
            _ => (5, 64 << 20, 5_000_000, 1_000),
        };
        let settings = match args.one_cpu.or(args.ci.then_some(false)) {
            None => vec![Setting::Free, Setting::OneCpu],
            Some(true) => vec![Setting::OneCpu],
            Some(false) => vec![Setting::Free],
        };
        Plan { rounds: args.rounds.unwrap_or(rounds), bulk_bytes, seq_lines, keys, settings }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Bulk,
    Echo,
    Interrupt,
    Create,
    Reconnect,
    Memory,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench lies in the workspace").to_owned()
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn run(args: &Args) -> anyhow::Result<()> {
    let floors = floors::parse(&std::fs::read_to_string(root().join("docs/specification.md"))?)?;
    let plan = Plan::of(args);
    let server = Server::start(&[])?;
    let mut results = Results::default();
    for setting in &plan.settings {
        let mut bench = Bench { server: &server, results: &mut results, setting: *setting, rounds: plan.rounds };
        measure(args, &plan, &mut bench)?;
    }
    server.end()?;
    print!("{}", report::table(&results));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&results))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.write {
        report::write(&results, &command(), &root())?;
    }
    let broken = floors::broken(&floors, &results, args.ci && args.only.is_empty());
    ensure!(!args.ci || broken.is_empty(), "beyond the floor: {}", broken.join("; "));
    Ok(())
}

/// How this run was asked for.
fn command() -> String {
    ["cargo xtask bench terminal".to_owned()].into_iter().chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn measure(args: &Args, plan: &Plan, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (wanted, free) = (|part| args.only.is_empty() || args.only.contains(&part), bench.setting == Setting::Free);
    let first = *args.mode.first().context("there is a mode")?;
    if wanted(Part::Bulk) {
        let loads = [Load::text(plan.bulk_bytes), Load::seq(plan.seq_lines), Load::tui(plan.bulk_bytes)];
        bulk::measure(bench, &loads, &args.mode)?;
    }
    if wanted(Part::Echo) {
        echo::measure(bench, plan.keys, first)?;
    }
    // Without `live` the prompt comes after all that piled up: it is what `live` is for.
    if wanted(Part::Interrupt) && args.mode.contains(&Mode::Live) {
        interrupt::measure(bench, Mode::Live)?;
    }
    if wanted(Part::Create) && free {
        create::measure(bench, first)?;
    }
    if wanted(Part::Reconnect) && free {
        reconnect::measure(bench, &args.mode)?;
    }
    if wanted(Part::Memory) && free {
        memory::measure(bench, first)?;
    }
    Ok(())
}
