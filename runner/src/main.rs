//! The image's binary: a runner, and the last step into its sandbox.

use std::process::ExitCode;

use clap::Parser;
use podling_daemon::telemetry::LogArgs;
use podling_runner::{
    args::Args,
    main_with,
    sandbox::{ENTER, enter},
};

/// Serves one session: fetches its source, runs its command in a sandbox, serves its viewers
#[derive(Parser)]
#[command(name = "podling-runner", version)]
struct Command {
    #[command(flatten)]
    runner: Args,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == ENTER) {
        return ExitCode::from(enter(&arguments.next().unwrap_or_default()));
    }
    let Command { runner, log } = Command::parse();
    main_with(runner, &log)
}
