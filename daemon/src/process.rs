//! What the thin mains of the servers have in common.

use std::{future::Future, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::telemetry::{self, LogArgs};

/// Runs a server to its end, and tells of a failure with all of its causes.
pub fn main(name: &str, log: &LogArgs, server: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let run = || {
        telemetry::start(log)?;
        let runtime = tokio::runtime::Runtime::new().context("the runtime cannot start")?;
        runtime.block_on(server)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says where a server listens, on standard output and flushed: who started it may wait for this line.
///
/// # Errors
/// When nobody reads it.
#[expect(clippy::print_stdout, reason = "it is what the caller waits for")]
pub fn announce(name: &str, bound: SocketAddr) -> anyhow::Result<()> {
    println!("{name} listens on {bound}");
    std::io::stdout().flush().context("nobody reads standard output")
}

/// Ends this process, as if it were told to, with the one that started it.
///
/// # Errors
/// When that one is gone already, or the kernel refuses.
pub fn end_with(parent: i32) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).context("the parent cannot be watched")?;
    let now = getppid().map(Pid::as_raw_pid); // Looked at after that: a parent that died before sends no signal.
    ensure!(now == Some(parent), "the process that started this one is gone");
    Ok(())
}

/// A program that was installed with this one.
///
/// # Errors
/// When this one's own path cannot be told.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe().context("this program has no path")?.with_file_name(name))
}
