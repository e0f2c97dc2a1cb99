//! The terminal pipeline's figures: Podling through both hops, and a raw PTY beside it, in turn, in one run.

mod catalogue;
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

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
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
    /// Rounds of each measure; the two sides take turns
    #[arg(long, default_value_t = 5)]
    rounds: u32,

    /// Only this. May be repeated
    #[arg(long)]
    only: Vec<Part>,

    /// What viewers ask for
    #[arg(long, default_value = "lossless")]
    mode: Vec<Mode>,

    /// Only with runner and command held to one processor together, or only without
    #[arg(long)]
    one_cpu: Option<bool>,

    /// Bytes of the files that bulk prints
    #[arg(long, default_value_t = 64 << 20)]
    bulk_bytes: u64,

    /// Lines of the numbers that bulk prints
    #[arg(long, default_value_t = 5_000_000)]
    seq_lines: u64,

    /// Keys of one round of echo
    #[arg(long, default_value_t = 1_000)]
    keys: usize,

    /// Where to write every value as JSON
    #[arg(long)]
    json: Option<PathBuf>,
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

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn run(args: &Args) -> anyhow::Result<()> {
    let server = Server::start(&[])?;
    let mut results = Results::default();
    for setting in [Setting::Free, Setting::OneCpu] {
        if args.one_cpu.is_none_or(|one| one == (setting == Setting::OneCpu)) {
            measure(args, &mut Bench { server: &server, results: &mut results, setting, rounds: args.rounds })?;
        }
    }
    server.end()?;
    print!("{}", report::table(&results));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report::json(&results))?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn measure(args: &Args, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let first = *args.mode.first().context("there is a mode")?;
    if wanted(Part::Bulk) {
        let loads = [Load::text(args.bulk_bytes), Load::seq(args.seq_lines), Load::tui(args.bulk_bytes)];
        bulk::measure(bench, &loads, &args.mode)?;
    }
    if wanted(Part::Echo) {
        echo::measure(bench, args.keys, first)?;
    }
    if wanted(Part::Interrupt) {
        interrupt::measure(bench, first)?;
    }
    if wanted(Part::Create) && bench.setting == Setting::Free {
        create::measure(bench, first)?;
    }
    if wanted(Part::Reconnect) && bench.setting == Setting::Free {
        reconnect::measure(bench, &args.mode)?;
    }
    if wanted(Part::Memory) && bench.setting == Setting::Free {
        memory::measure(bench, first)?;
    }
    Ok(())
}
