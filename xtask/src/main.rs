//! The index of this project's commands. CI runs nothing else.

mod check;
mod run;
mod setup;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of Podling's developers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need and this machine lacks: Debian packages, npm packages, cargo-deny
    Setup,
    /// Format, lint, document, and check licences and sources, without changing anything
    Check,
    /// Set up, check, and run every test: what CI runs
    Test,
    /// Delete sessions, and kill the controller, at every step of a start in turn
    Steps,
    /// Measure against a raw PTY and a plain sandbox, in one run
    Bench {
        /// Rounds of each measure
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Setup => setup::run(),
        Command::Check => setup::run().and_then(|()| check::run()),
        Command::Test => setup::run().and_then(|()| check::run()).and_then(|()| test::run()),
        Command::Steps => setup::run().and_then(|()| test::steps()),
        Command::Bench { rounds } => test::bench(rounds),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
