//! The pseudo-terminal: one pair per program, the runner's end never blocking.

mod inherited;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use bytes::{Bytes, BytesMut};
use podling_session::size::WindowSize;
use rustix::{
    io::Errno,
    pty::OpenptFlags,
    termios::{
        InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Winsize, tcflush, tcgetattr,
        tcsetattr, tcsetwinsize,
    },
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    net::unix::pipe,
};

pub(crate) use inherited::close_on_exec;

/// The most output that one record holds. The kernel gives at most 4095 bytes at a time, so this is a burst.
const MAX_READ_BYTES: usize = 64 << 10;
/// A buffer with less room than one read of the kernel's is not worth another system call.
const MIN_ROOM_BYTES: usize = 4 << 10;

/// The runner's end.
#[derive(Debug)]
pub(crate) struct Pty {
    fd: AsyncFd<OwnedFd>,
}

/// What a reader keeps between reads: consecutive records share one allocation.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer(BytesMut);

impl Pty {
    /// A new pair: ours, and the program's. The program's end makes of wide characters what UTF-8 means.
    ///
    /// # Errors
    /// When the system has no pseudo-terminal left.
    #[expect(unsafe_code, reason = "AsyncFd takes a descriptor that nothing else closes")]
    pub(crate) fn open(size: WindowSize) -> io::Result<(Pty, OwnedFd)> {
        let pair = rustix_openpty::openpty(None, Some(&winsize(size)))?;
        let mut modes = tcgetattr(&pair.user)?;
        modes.input_modes |= InputModes::IUTF8;
        tcsetattr(&pair.user, OptionalActions::Now, &modes)?;
        for fd in [&pair.controller, &pair.user] {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
        }
        rustix::io::ioctl_fionbio(&pair.controller, true)?;
        // SAFETY: the descriptor is owned by the AsyncFd from here on, and closed after it is deregistered.
        let fd = unsafe { AsyncFd::register_with_interest(pair.controller, Interest::READABLE) };
        Ok((Pty { fd: fd.map_err(io::Error::from)? }, pair.user))
    }

    pub(crate) fn resize(&self, size: WindowSize) -> io::Result<()> {
        Ok(tcsetwinsize(self.fd.get_ref().as_fd(), winsize(size))?)
    }

    /// What the program has said, as much as there is; none when the last process has closed its end. Cancel safe.
    pub(crate) async fn read(&self, buffer: &mut ReadBuffer) -> io::Result<Option<Bytes>> {
        let buffer = &mut buffer.0;
        if buffer.len() < MIN_ROOM_BYTES {
            *buffer = BytesMut::zeroed(MAX_READ_BYTES);
        }
        loop {
            let mut ready = self.fd.readable().await?;
            match read_all(self.fd.get_ref(), buffer)? {
                Said::Nothing => ready.clear_ready(),
                Said::Everything(bytes) => {
                    ready.clear_ready();
                    return Ok(Some(buffer.split_to(bytes).freeze()));
                }
                Said::AsMuchAsFits(bytes) => return Ok(Some(buffer.split_to(bytes).freeze())),
                Said::TheEnd => return Ok(None),
            }
        }
    }

    /// Writes as much as the program's terminal has room for, which is something. Cancel safe.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(self.fd.get_ref(), bytes) {
            Err(Errno::AGAIN) => {}
            written => return Ok(written?),
        }
        // Linux tells of room whenever the program has read a key: only who has none wants to hear of it.
        let room = pipe::Sender::from_owned_fd_unchecked(self.fd.get_ref().try_clone()?)?;
        loop {
            room.writable().await?;
            match room.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    /// Whether the terminal makes a signal of this byte and forgets what was typed before it (termios(3): ISIG, NOFLSH).
    pub(crate) fn interrupts(&self, byte: u8) -> bool {
        let Ok(modes) = tcgetattr(self.fd.get_ref()) else { return false };
        let signals = [SpecialCodeIndex::VINTR, SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP];
        let forgets = modes.local_modes.contains(LocalModes::ISIG) && !modes.local_modes.contains(LocalModes::NOFLSH);
        // A code of 0 is switched off.
        forgets && byte != 0 && signals.iter().any(|signal| modes.special_codes[*signal] == byte)
    }

    /// Forgets what was typed and not read. The kernel does so itself when it comes to the interrupt character, but does
    /// not come to it behind more input than it holds.
    ///
    /// # Errors
    /// When the program's end cannot be opened.
    pub(crate) fn forget_input(&self) -> io::Result<()> {
        let fd = self.fd.get_ref();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let tty = rustix::pty::ioctl_tiocgptpeer(fd, flags)?;
        tcflush(fd, QueueSelector::OFlush)?; // What is on its way to the program's end.
        Ok(tcflush(&tty, QueueSelector::IFlush)?)
    }
}

/// What a program has said by now.
enum Said {
    Nothing,
    Everything(usize),
    AsMuchAsFits(usize),
    /// Every other end is closed.
    TheEnd,
}

/// Reads until the kernel has no more (EAGAIN), the buffer is full, or the end is reached (EIO).
fn read_all(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Said> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(fd, &mut buffer[filled..]) {
            Ok(0) | Err(Errno::IO) if filled == 0 => return Ok(Said::TheEnd),
            Ok(0) | Err(Errno::IO) => break,
            Ok(bytes) => filled += bytes,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if filled == 0 => return Ok(Said::Nothing),
            Err(Errno::AGAIN) => return Ok(Said::Everything(filled)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Said::AsMuchAsFits(filled))
}

fn winsize(size: WindowSize) -> Winsize {
    Winsize { ws_row: size.rows(), ws_col: size.cols(), ws_xpixel: 0, ws_ypixel: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_said_before_the_end_is_read_then_the_end() {
        let (pty, tty) = Pty::open(WindowSize::DEFAULT).expect("a pty");
        let told = "0123456789".repeat(200);
        rustix::io::write(&tty, told.as_bytes()).expect("room in the kernel");
        drop(tty);
        let (mut buffer, mut said) = (ReadBuffer::default(), Vec::new());
        while let Some(bytes) = pty.read(&mut buffer).await.expect("a read") {
            said.extend_from_slice(&bytes);
        }
        assert_eq!(said, told.as_bytes());
    }

    #[tokio::test]
    async fn input_reaches_the_program_and_a_resize_its_terminal() {
        let (pty, tty) = Pty::open(WindowSize::DEFAULT).expect("a pty");
        assert_eq!(pty.write(b"ls\n").await.expect("room in the kernel"), 3);
        let mut line = [0; 16];
        let bytes = rustix::io::read(&tty, &mut line).expect("a line");
        assert_eq!(&line[..bytes], b"ls\n");
        pty.resize(WindowSize::new(40, 132).expect("a fair size")).expect("a resize");
        let size = rustix::termios::tcgetwinsize(&tty).expect("a size");
        assert_eq!((size.ws_row, size.ws_col), (40, 132));
    }
}
