//! The other side of every pair: a PTY of our own, read by one thread that does nothing else.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use podling_session::size::WindowSize;
use rustix::termios::Winsize;
use rustix_openpty::openpty;

use crate::viewer::Search;

/// More than the kernel gives at once.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// The environment of a session's command.
pub(crate) const ENVIRONMENT: [(&str, &str); 7] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/nonexistent"),
    ("USER", "podling"),
    ("SHELL", "/bin/bash"),
    ("TERM", "xterm-256color"),
    ("COLORTERM", "truecolor"),
    ("LANG", "C.UTF-8"),
];

/// A command on a PTY.
pub(crate) struct Pty {
    pub(crate) master: File,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Pty {
    /// Starts `bash -c` with the PTY as its controlling terminal, in a folder of its own.
    pub(crate) fn run(command: &str, env: &BTreeMap<String, String>) -> anyhow::Result<Pty> {
        Pty::spawn(&["setsid", "--ctty", "bash", "-c", command], env)
    }

    /// Starts a program on the PTY; the terminal controls nothing.
    pub(crate) fn spawn(words: &[&str], env: &BTreeMap<String, String>) -> anyhow::Result<Pty> {
        let folder = tempfile::tempdir()?;
        let (rows, cols) = (WindowSize::DEFAULT.rows(), WindowSize::DEFAULT.cols());
        let pty = openpty(None, Some(&Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }))?;
        rustix::io::fcntl_setfd(&pty.controller, rustix::io::FdFlags::CLOEXEC)?;
        let slave = File::from(pty.user);
        let (program, arguments) = words.split_first().context("a command has a name")?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(env)
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave))
            .spawn()?;
        Ok(Pty { master: File::from(pty.controller), child, _folder: folder })
    }

    pub(crate) fn pid(&self) -> anyhow::Result<i32> {
        Ok(self.child.id().try_into()?)
    }

    pub(crate) fn type_in(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.master.write_all(bytes)?)
    }

    /// Reads until the text has been seen, and whatever came with it.
    pub(crate) fn sees(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let (mut search, mut chunk) = (Search::new(text), vec![0; READ_BYTES]);
        while !search.found {
            match self.master.read(&mut chunk)? {
                0 => bail!("the command ended before {:?} was seen", String::from_utf8_lossy(text)),
                count => search.look(&chunk[..count]),
            }
        }
        Ok(())
    }

    /// Reads so many bytes; `take` gets them as they come.
    pub(crate) fn takes(&mut self, bytes: u64, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let (mut left, mut chunk) = (bytes, vec![0; READ_BYTES]);
        while left > 0 {
            let count = self.master.read(&mut chunk).context("the bulk is incomplete")?;
            take(&chunk[..count]);
            left = left.checked_sub(count as u64).context("more came than was said")?;
        }
        Ok(())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended.
        let _ = self.child.wait();
    }
}
