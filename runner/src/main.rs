//! The image's binary: a runner, and the last step into its sandbox.

use std::{ffi::OsString, process::ExitCode};

use clap::Parser;
use podling_daemon::telemetry::LogArgs;
use podling_runner::{args::Args, main_with, sandbox::step};

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
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = step(&arguments) {
        return ExitCode::from(code);
    }
    let Command { runner, log } = Command::parse();
    main_with(runner, &log)
}
