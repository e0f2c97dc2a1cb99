//! The image's binary: a controller.

use std::process::ExitCode;

use clap::Parser;
use podling_controller::{run::RunnerBinary, service};
use podling_daemon::{process, telemetry::LogArgs};

/// Owns sessions: serves their API, launches their runners, and admits their viewers
#[derive(Parser)]
#[command(name = "podling-controller", version)]
struct Command {
    #[command(flatten)]
    controller: service::Args,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let Command { controller, log } = Command::parse();
    process::main("podling-controller", &log, async {
        let runner = RunnerBinary { path: process::beside("podling-runner")?, args: Vec::new() };
        service::run(controller, runner).await
    })
}
