//! Signals. Shutdown goes: unready, stop accepting, cancel, drain until the deadline, exit code.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// When the process cannot listen for signals at all.
pub async fn terminated() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
