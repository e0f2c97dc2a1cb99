//! Podling's first numbers, each as a ratio of two things measured in turn in one run: through both hops against a raw
//! PTY, and a session's creation against a plain sandbox.

mod baseline;
mod podling;
mod summary;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Measures Podling against a raw PTY and a plain `bwrap`.
#[derive(Parser)]
struct Args {
    /// Rounds of each measure; the two sides take turns
    #[arg(long, default_value_t = 20)]
    rounds: u32,

    /// Lines that the bulk measure prints
    #[arg(long, default_value_t = 1_000_000)]
    lines: u32,
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

#[tokio::main]
async fn run(args: &Args) -> anyhow::Result<()> {
    let server = podling_e2e::podling::Podling::start().await;
    let bulk = format!("seq 1 {}", args.lines);
    let mut create = summary::Pair::default();
    let mut echo = summary::Pair::default();
    let mut rate = summary::Pair::default();
    for round in 0..args.rounds {
        eprint!("\rround {} of {}", round + 1, args.rounds);
        create.add(podling::first_byte(&server).await, blocking(baseline::first_byte).await?);
        echo.add(podling::echo(&server).await, blocking(baseline::echo).await?);
        let command = bulk.clone();
        rate.add(podling::bulk(&server, &bulk).await, blocking(move || baseline::bulk(&command)).await?);
    }
    eprintln!();
    summary::print(&[
        summary::Row { name: "create to first byte", unit: "ms", against: "plain bwrap spawn of bash", pair: create },
        summary::Row { name: "echo round trip", unit: "ms", against: "raw PTY", pair: echo },
        summary::Row { name: "bulk", unit: "ms", against: "raw PTY", pair: rate },
    ])
}

/// A raw PTY is read on a thread of its own, as a plain program would.
async fn blocking(measure: impl FnOnce() -> anyhow::Result<f64> + Send + 'static) -> anyhow::Result<f64> {
    tokio::task::spawn_blocking(measure).await.context("a measurement panicked")?
}
