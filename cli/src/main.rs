//! `podling`: the whole of Podling in one binary, and its users' client.

mod admin;
mod client;
mod migrate;
mod up;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use podling_daemon::{
    process,
    telemetry::{self, LogArgs},
};

/// Runs short-lived command-line agents in isolation and streams them live.
#[derive(Parser)]
#[command(name = "podling", version, propagate_version = true)]
struct Args {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: controller, gateway and runners, with nothing else installed
    Up(Box<up::Args>),
    #[command(flatten)]
    Client(Box<client::Command>),
    /// Operate a deployment: sessions of all tenants, keys, quotas, gateways and the audit
    Admin(Box<admin::Args>),
    /// Bring the schema of a Postgres up to this version, tell its state, or take the newest step back
    Migrate(migrate::Args),
    /// Own sessions, as one of several controllers
    #[command(hide = true)]
    Controller(Box<podling_controller::service::Args>),
    /// Serve terminals, as one of several gateways
    #[command(hide = true)]
    Gateway(Box<podling_gateway::args::Args>),
    /// Serve one incarnation of a session; started by the launcher
    #[command(hide = true)]
    Runner(Box<podling_runner::args::Args>),
    /// The sample agent that the demo session runs
    #[command(hide = true, disable_help_flag = true)]
    Sample {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    // Inside a session the same binary is on the path under the agent's own name, and takes the sandbox's last step.
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = podling_runner::sandbox::step(&arguments) {
        return ExitCode::from(code);
    }
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "sample-cli") {
        return podling_sample::main_with(arguments);
    }
    let matches = Args::command().get_matches_from(arguments);
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let said = matches.subcommand().map_or(&matches, |(_, said)| said);
    match args.command {
        Command::Sample { arguments } => {
            podling_sample::main_with(std::iter::once(OsString::from("sample-cli")).chain(arguments))
        }
        Command::Client(command) => client::main(*command, said),
        Command::Admin(admin) => admin::main(*admin, said),
        Command::Runner(runner) => podling_runner::main_with(*runner, &args.log),
        Command::Migrate(action) => told(migrate::run(action).map(|()| ExitCode::SUCCESS)),
        Command::Controller(controller) => process::main("podling controller", &args.log, async {
            podling_controller::service::run(*controller, up::own_runner()?).await
        }),
        Command::Gateway(gateway) => {
            process::main("podling gateway", &args.log, podling_gateway::service::run(*gateway))
        }
        Command::Up(up) => {
            told(telemetry::start(&args.log).and_then(|()| up::main(*up, said)).map(|()| ExitCode::SUCCESS))
        }
    }
}

fn told(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
