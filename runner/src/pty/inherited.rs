//! Descriptors that came with this process, such as its launcher's lock: kept, but passed on to nobody.

use std::{io, os::fd::BorrowedFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Marks every descriptor beyond the standard three as closed on exec.
///
/// # Errors
/// When the process cannot see its own descriptors.
pub(crate) fn close_on_exec() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if number > 2 {
            mark(number);
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "inherited descriptors have numbers only")]
fn mark(number: i32) {
    // SAFETY: borrowed for one call that reads or writes nothing; a number that is closed meanwhile is an error of it.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let _ = fcntl_setfd(fd, FdFlags::CLOEXEC); // Only the descriptor of the listing itself can be gone.
}
