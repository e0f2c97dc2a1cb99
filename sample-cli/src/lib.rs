//! The stage-wise demo agent: what a session runs out of the box, and a worked example of a program that behaves well
//! in a terminal it cannot see. It redraws in place, follows the window size, asks when told to, and ends cleanly.

mod args;
mod plan;

mod audit;

mod fit;
mod view;

mod ask;
mod live;
mod plain;
mod terminal;

use std::{ffi::OsString, io::Write, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use args::{Command, RunArgs};
use audit::Audit;

/// When nobody reads our output any more, it is not waited for longer than this.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// A plan that was not carried out, or not all of it, is no success.
const EXIT_UNDONE: u8 = 1;

/// Runs with these arguments, the first of which is the program's name, and returns the process's exit code.
pub fn main_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print(); // With no output to print to, the exit code is all that is left.
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let Command::Run(args) = args.command;
    match run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "sample-cli: {error:#}"); // As above.
            ExitCode::FAILURE
        }
    }
}

fn run(args: RunArgs) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run_until_signalled(args));
    // A thread may still wait for a key that nobody will press; it ends with the process.
    runtime.shutdown_background();
    ended
}

async fn run_until_signalled(args: RunArgs) -> anyhow::Result<u8> {
    let _quiet = if args.is_live() { terminal::Quiet::start() } else { None };
    let mut audit = Audit::default();
    let performed = tokio::select! {
        biased;
        code = signalled() => Err(code),
        ended = perform(&args, &mut audit) => Ok(ended),
    };
    audit.end().await;
    if args.is_live() {
        // A terminal that takes nothing any more cannot be restored either.
        let _ = timeout(LAST_WORDS, live::restore()).await;
    }
    match performed {
        Ok(ended) => Ok(if ended? { 0 } else { EXIT_UNDONE }),
        Err(code) => code,
    }
}

/// Whether the whole plan was carried out.
async fn perform(args: &RunArgs, audit: &mut Audit) -> anyhow::Result<bool> {
    if args.is_live() { live::perform(args, audit).await } else { plain::perform(args, audit).await }
}

/// The exit code of the first signal that asks for the end: 128 and its number, as shells have it.
async fn signalled() -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = terminate.recv() => 128 + 15,
        _ = interrupt.recv() => 128 + 2,
        _ = hangup.recv() => 128 + 1,
    })
}
