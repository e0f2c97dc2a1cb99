//! Waiting where the kernel offers no event.

use std::{
    io, thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(5);

/// Asks again and again until the answer is yes or the deadline has passed; says which. Blocks.
pub(super) fn until(deadline: Instant, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    loop {
        if done()? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        thread::park_timeout(PAUSE);
    }
}
