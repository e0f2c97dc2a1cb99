//! The measures without Podling: a PTY of our own, and a plain sandbox.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::Context;
use rustix_openpty::openpty;

/// A program on a PTY, read as fast as it goes.
struct Pty {
    master: File,
    child: Child,
}

impl Pty {
    fn spawn(words: &[&str]) -> anyhow::Result<Pty> {
        let pty = openpty(None, None)?;
        let slave = File::from(pty.user);
        let (program, arguments) = words.split_first().context("a command has a name")?;
        // The environment of a session's command: nobody's profile is read on one side only.
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/nonexistent"), ("TERM", "xterm-256color")])
            .stdin(Stdio::from(slave.try_clone()?))
            .stdout(Stdio::from(slave.try_clone()?))
            .stderr(Stdio::from(slave))
            .spawn()?;
        Ok(Pty { master: File::from(pty.controller), child })
    }

    /// Reads until the text has been seen.
    fn sees(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let (mut seen, mut chunk) = (Vec::new(), [0; 4096]);
        while !seen.windows(text.len()).any(|window| window == text) {
            let count = self.master.read(&mut chunk)?;
            seen.extend_from_slice(&chunk[..count]);
        }
        Ok(())
    }

    /// Reads to the end; a PTY whose last slave closed gives EIO.
    fn drain(&mut self) -> usize {
        let (mut total, mut chunk) = (0, vec![0; 64 * 1024]);
        while let Ok(count @ 1..) = self.master.read(&mut chunk) {
            total += count;
        }
        total
    }

    fn end(mut self) -> anyhow::Result<()> {
        let _ = self.child.kill(); // It may have ended.
        self.child.wait()?;
        Ok(())
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// A plain sandbox with the same namespaces, to the first byte of its bash.
pub(crate) fn first_byte() -> anyhow::Result<f64> {
    let started = Instant::now();
    let sandbox = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--die-with-parent"];
    let view = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "bash", "-lc", "echo first"];
    let mut pty = Pty::spawn(&[&sandbox[..], &view[..]].concat())?;
    pty.sees(b"first")?;
    let time = millis(started);
    pty.end()?;
    Ok(time)
}

pub(crate) fn echo() -> anyhow::Result<f64> {
    let mut pty = Pty::spawn(&["bash", "-c", "stty raw -echo; printf ready; exec cat"])?;
    pty.sees(b"ready")?;
    let (mut times, mut chunk) = (Vec::new(), [0; 64]);
    for _ in 0..50 {
        let started = Instant::now();
        pty.master.write_all(b"x")?;
        pty.master.read_exact(&mut chunk[..1])?;
        times.push(millis(started));
    }
    pty.end()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

pub(crate) fn bulk(command: &str) -> anyhow::Result<f64> {
    let mut pty = Pty::spawn(&["bash", "-c", &format!("printf ready; read x; {command}")])?;
    pty.sees(b"ready")?;
    let started = Instant::now();
    pty.master.write_all(b"\n")?;
    pty.drain();
    let time = millis(started);
    pty.end()?;
    Ok(time)
}
