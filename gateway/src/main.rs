//! The image's binary: a gateway.

use std::process::ExitCode;

use clap::Parser;
use podling_daemon::{process, telemetry::LogArgs};
use podling_gateway::{args::Args, service};

/// The browser's door: spends one-time tokens, and carries terminals between browsers and runners
#[derive(Parser)]
#[command(name = "podling-gateway", version)]
struct Command {
    #[command(flatten)]
    gateway: Args,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let Command { gateway, log } = Command::parse();
    process::main("podling-gateway", &log, service::run(gateway))
}
