//! The index of this project's commands. CI runs nothing else.

mod check;
mod fuzz;
mod run;
mod setup;
mod test;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of Podling's developers")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the tests need and this machine lacks: Debian packages, npm and PyPI packages, cargo-deny, cargo-fuzz
    Setup,
    /// Format, lint, document, and check licences and sources, without changing anything
    Check,
    /// Set up, check, and run every test: what CI runs
    Test,
    /// Delete sessions, and kill controllers and gateways, at every step of a start and of an attach in turn
    Steps,
    /// Send what strangers may send to every decoder in `fuzz/targets`, led by the code that it reaches
    Fuzz {
        /// Seconds for each. Default: as many inputs as CI tries, the same in every run
        #[arg(long, value_name = "SECONDS")]
        seconds: Option<u64>,
    },
    /// Break a cluster under traffic in every way, and see that nothing is lost
    #[command(disable_help_flag = true)]
    Chaos {
        /// What podling-chaos is told, such as --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure, side by side with what it is compared with, in one run
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    /// The terminal, through both hops, against a raw PTY
    #[command(disable_help_flag = true)]
    Terminal {
        /// What podling-bench is told, such as --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Two controllers and gateways against one of each, and both against their SQL and Redis commands
    #[command(disable_help_flag = true)]
    Replicas {
        /// What podling-bench is told, such as --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Setup => setup::run(),
        Command::Check => setup::run().and_then(|()| check::run()),
        Command::Test => setup::run().and_then(|()| check::run()).and_then(|()| test::run()),
        Command::Steps => setup::run().and_then(|()| test::steps()),
        Command::Fuzz { seconds } => setup::run().and_then(|()| fuzz::run(seconds.map(Duration::from_secs))),
        Command::Chaos { arguments } => setup::run().and_then(|()| test::chaos(&arguments)),
        Command::Bench(Bench::Terminal { arguments }) => test::bench(&arguments),
        Command::Bench(Bench::Replicas { arguments }) => setup::run().and_then(|()| test::replicas(&arguments)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
