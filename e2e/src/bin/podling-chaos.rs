//! `cargo xtask chaos`: every fault in turn and docs/reliability.md, or a soak and docs/soak.md.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use podling_e2e::{
    chaos::{cluster::Cluster, fault::Fault, report, soak::soak, trial},
    workspace::root,
};

/// Breaks a cluster under traffic in every way, one after the other, and tells what it came to
#[derive(Parser)]
#[command(name = "podling-chaos")]
struct Args {
    /// Only this fault, such as `kill-gateway`. May be repeated. Default: every one
    #[arg(long, value_parser = fault)]
    only: Vec<Fault>,

    /// Sessions that stand when the fault happens; as many more are created while it lasts
    #[arg(long, default_value_t = 8)]
    sessions: usize,

    /// Break nothing, but create, watch and end sessions for so long, and look for what grows
    #[arg(long, value_parser = humantime::parse_duration)]
    soak: Option<Duration>,

    /// Write docs/reliability.md, with `--soak` docs/soak.md
    #[arg(long)]
    write: bool,
}

fn fault(name: &str) -> Result<Fault, String> {
    let names = || Fault::ALL.map(Fault::name).join(", ");
    Fault::ALL.into_iter().find(|fault| fault.name() == name).ok_or_else(|| format!("one of: {}", names()))
}

fn main() -> ExitCode {
    let outcome = tokio::runtime::Runtime::new().context("the runtime cannot start").and_then(|runtime| {
        let args = Args::parse();
        runtime.block_on(run(&args))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was broken.
async fn run(args: &Args) -> anyhow::Result<bool> {
    if let Some(time) = args.soak {
        return soaked(time, args.write).await;
    }
    let faults = if args.only.is_empty() { Fault::ALL.to_vec() } else { args.only.clone() };
    let mut cluster = Cluster::start().await?;
    let mut outcomes = Vec::new();
    for (place, fault) in faults.iter().enumerate() {
        eprintln!("[{}/{}] {}", place + 1, faults.len(), fault.title());
        let outcome =
            trial(&mut cluster, *fault, args.sessions).await.inspect_err(|_| eprintln!("{}", cluster.logs()))?;
        eprintln!("{}", outcome.summary());
        if !outcome.broken.is_empty() {
            eprintln!("{}", cluster.logs());
        }
        outcomes.push(outcome);
    }
    cluster.end().await?;
    if args.write {
        write("reliability.md", |date, command| report::page(&outcomes, date, command))?;
    }
    Ok(outcomes.iter().all(|outcome| outcome.broken.is_empty()))
}

#[expect(clippy::print_stdout, reason = "the table is what it is for")]
async fn soaked(time: Duration, writes: bool) -> anyhow::Result<bool> {
    let mut cluster = Cluster::start().await?;
    let soaked = soak(&mut cluster, time).await.inspect_err(|_| eprintln!("{}", cluster.logs()))?;
    cluster.end().await?;
    let table = soaked.table()?;
    println!("{table}{}", soaked.broken.join("\n"));
    if writes {
        write("soak.md", |date, command| soaked.page(&table, date, command))?;
    }
    Ok(soaked.broken.is_empty())
}

/// Writes a page of docs from today's date and this command.
fn write(name: &str, page: impl FnOnce(&str, &str) -> String) -> anyhow::Result<()> {
    let words = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let date = jiff::Zoned::now().strftime("%-d %B %Y").to_string();
    let path = root().join("docs").join(name);
    std::fs::write(&path, page(&date, format!("cargo xtask chaos {words}").trim_end()))
        .with_context(|| format!("cannot write {}", path.display()))
}
