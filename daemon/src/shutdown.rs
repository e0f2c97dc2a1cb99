//! Signals. Shutdown goes: unready, stop accepting, cancel, drain until the deadline, exit code.

use std::{fs::File, io};

use tokio::signal::unix::{self, SignalKind, signal};

/// What the outside wants of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT; SIGHUP as well where a terminal has started the process, for then the terminal is gone.
    End,
    /// SIGHUP of a process that no terminal has started.
    Hangup,
}

/// The signals of this process, from now on.
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    /// Asked once: a terminal that is gone cannot be asked whether it was there.
    has_terminal: bool,
}

impl Signals {
    /// # Errors
    /// When the process cannot listen for signals at all.
    pub fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            has_terminal: File::open("/dev/tty").is_ok(), // tty(4): there is none without a controlling terminal.
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.hangup.recv() => if self.has_terminal { Signal::End } else { Signal::Hangup },
        }
    }
}

/// Returns at the first SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// When the process cannot listen for signals at all.
pub async fn terminated() -> io::Result<()> {
    Signals::listen()?.next().await;
    Ok(())
}
