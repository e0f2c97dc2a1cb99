//! What the runner does to its own process first of all, so that nothing of it is the command's to see or to outlive.

use std::io;

use rustix::{
    fs::{Mode, OFlags},
    process::DumpableBehavior,
};
use tracing::debug;

use crate::pty::close_on_exec;

/// Lower than the command's, so that the kernel takes the command first when the machine runs out of memory.
const OOM_SCORE: &str = "-500";

/// Call it before any thread or child is started.
///
/// # Errors
/// When the process cannot be closed to others: the runner must not start then.
pub(crate) fn harden() -> io::Result<()> {
    // Before the process is closed, because its own files in /proc then belong to root.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
        debug!(%error, "the runner is as likely to be killed for memory as others");
    }
    close_on_exec()?;
    let _ = rustix::process::setsid(); // Refused when its launcher gave it a group of its own: that is enough.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Puts `/dev/null` in place of standard input, once the secret has been read from it.
///
/// # Errors
/// When there is no `/dev/null`.
pub(crate) fn close_input() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::stdio::dup2_stdin(null)?)
}
