//! What the runner does to its own process first of all, so that nothing of it is the command's to see or to outlive.

use std::io;

use rustix::{
    fs::{Mode, OFlags},
    process::DumpableBehavior,
};

use crate::pty::close_on_exec;

/// Call it before any thread or child is started.
///
/// # Errors
/// When the process cannot be closed to others: the runner must not start then.
pub(crate) fn harden() -> io::Result<()> {
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
