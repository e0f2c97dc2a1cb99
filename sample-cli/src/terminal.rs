//! The terminal at our standard streams: whether it is one, its size, and its keys.

use std::io;

use rustix::{
    process::getpgrp,
    stdio::{stdin, stdout},
    termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr},
};

/// What a terminal without a size is taken for, such as a serial line or a PTY that nobody has sized yet.
const USUAL: Window = Window { rows: 24, columns: 80 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

pub(crate) fn is_terminal() -> bool {
    isatty(stdout())
}

pub(crate) fn has_keyboard() -> bool {
    isatty(stdin())
}

/// The window as it is now.
pub(crate) fn window() -> Window {
    match tcgetwinsize(stdout()) {
        Ok(size) => known(size.ws_row, size.ws_col),
        Err(_) => USUAL,
    }
}

fn known(rows: u16, columns: u16) -> Window {
    let or = |told: u16, usual: usize| if told == 0 { usual } else { usize::from(told) };
    Window { rows: or(rows, USUAL.rows), columns: or(columns, USUAL.columns) }
}

/// While it lives, keys arrive one by one and are not echoed into the picture. Ctrl-C stays a signal.
pub(crate) struct Quiet(Termios);

impl Quiet {
    /// `None` where keys are not ours: no terminal, or a job in the background, which would be stopped (SIGTTOU).
    pub(crate) fn start() -> Option<Quiet> {
        if tcgetpgrp(stdin()).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        set(&modes).ok()?;
        Some(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = set(&self.0); // The terminal may be gone, and then there is nothing to restore.
    }
}

fn set(modes: &Termios) -> io::Result<()> {
    Ok(tcsetattr(stdin(), OptionalActions::Now, modes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_size_is_taken_for_a_usual_one() {
        assert_eq!(known(0, 0), USUAL);
        assert_eq!(known(5, 20), Window { rows: 5, columns: 20 });
        assert_eq!(known(0, 20), Window { rows: 24, columns: 20 });
    }
}
