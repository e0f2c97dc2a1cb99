//! The terminal that this program was started in: raw while a session has it, and as it was before on every way out.

use std::{
    io,
    sync::{Mutex, Once, PoisonError},
};

use podling_session::size::WindowSize;
use rustix::{
    stdio::{stdin, stdout},
    termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};

/// What the terminal was like before. One, because standard input is one.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Keys come as they are typed, and nothing is drawn that the program did not say, as long as the value lives.
#[derive(Debug)]
pub(crate) struct RawMode(());

impl RawMode {
    /// # Errors
    /// When standard input is no terminal.
    pub(crate) fn enter() -> io::Result<RawMode> {
        static ON_PANIC: Once = Once::new();
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        ON_PANIC.call_once(|| {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore(); // So that the words of the panic can be read.
                hook(panic);
            }));
        });
        let raw_mode = RawMode(());
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        Ok(raw_mode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before); // A terminal that is gone needs nothing.
    }
}

/// The window's size, if it is one that a program can draw in.
pub(crate) fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(stdout()).ok()?;
    WindowSize::new(size.ws_row.into(), size.ws_col.into()).ok()
}
