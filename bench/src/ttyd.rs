//! ttyd, where one is on the PATH: a command behind its one hop. A message's first byte is its kind: `0` is output from
//! the server and input from the client; the client's first message is JSON, and starts the command.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
};

use anyhow::{Context, bail, ensure};
use podling_session::size::WindowSize;
use serde_json::json;

use crate::{
    pace::Pace,
    raw::ENVIRONMENT,
    socket::{Message, Socket},
    viewer::Search,
};

/// Of input and of output.
const DATA: u8 = b'0';

/// One server, which starts a command for its one client.
pub(crate) struct Ttyd {
    process: Child,
    address: String,
    /// Open as long as the server, which writes to it.
    log: BufReader<ChildStderr>,
    _folder: tempfile::TempDir,
}

pub(crate) struct Terminal {
    socket: Socket,
}

/// Whether there is one.
pub(crate) fn is_here() -> bool {
    Command::new("ttyd").arg("--version").output().is_ok_and(|output| output.status.success())
}

impl Ttyd {
    pub(crate) fn serving(words: &[&str], env: &BTreeMap<String, String>) -> anyhow::Result<Ttyd> {
        let folder = tempfile::tempdir()?;
        let mut process = Command::new("ttyd")
            .args(["--port", "0", "--interface", "lo"])
            .args(writable()?)
            .args(words)
            .current_dir(folder.path())
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = BufReader::new(process.stderr.take().context("its log is a pipe")?);
        let mut ttyd = Ttyd { process, address: String::new(), log, _folder: folder };
        ttyd.address = format!("127.0.0.1:{}", port(&mut ttyd.log)?);
        Ok(ttyd)
    }

    /// Connects, which starts the command.
    pub(crate) fn open(&self) -> anyhow::Result<Terminal> {
        let mut socket = Socket::open(&self.address, "/ws", "tty")?;
        let size = WindowSize::DEFAULT;
        let begin = json!({ "AuthToken": "", "columns": size.cols(), "rows": size.rows() });
        socket.send_binary(begin.to_string().as_bytes())?;
        Ok(Terminal { socket })
    }
}

impl Drop for Ttyd {
    fn drop(&mut self) {
        let _ = self.process.kill(); // It may have ended.
        let _ = self.process.wait();
    }
}

/// Versions that read no input unless they are told to have an argument for it; the others do not know it.
fn writable() -> anyhow::Result<Option<&'static str>> {
    let help = Command::new("ttyd").arg("--help").output()?;
    let text = [help.stdout, help.stderr].concat();
    Ok(String::from_utf8_lossy(&text).contains("--writable").then_some("--writable"))
}

/// It says which port it was given.
fn port(log: &mut impl BufRead) -> anyhow::Result<u16> {
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(log.read_line(&mut line)? > 0, "ttyd ended before it listened");
        if let Some((_, port)) = line.split_once("Listening on port: ") {
            return port.trim().parse().with_context(|| format!("no port: {line}"));
        }
    }
}

impl Terminal {
    pub(crate) fn type_in(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.socket.send_binary(&[&[DATA], bytes].concat())
    }

    /// From now on it reads only so much a second.
    pub(crate) fn slow_down(&mut self, bytes_per_second: f64) {
        self.socket.pace = Some(Pace::new(bytes_per_second));
    }

    /// Takes one message; `take` gets what is to be drawn. Blocks.
    pub(crate) fn step(&mut self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        match self.socket.next()? {
            Message::Data([DATA, output @ ..]) => take(output),
            Message::Close(code) => bail!("ttyd closed with {code}"),
            Message::Data(_) | Message::Control => {}
        }
        Ok(())
    }

    /// Reads until the text was drawn.
    pub(crate) fn sees(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let mut search = Search::new(text);
        while !search.found {
            self.step(|output| search.look(output))?;
        }
        Ok(())
    }

    /// Reads so many bytes of output.
    pub(crate) fn takes(&mut self, bytes: u64) -> anyhow::Result<()> {
        let mut taken = 0;
        while taken < bytes {
            self.step(|output| taken += output.len() as u64)?;
        }
        ensure!(taken == bytes, "{taken} bytes came instead of {bytes}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_log() {
        let mut log = &b"[1] N: ttyd 1.7.7\n[1] N:   tty configuration:\n[1] N:  Listening on port: 40123\nmore"[..];
        assert_eq!(port(&mut log).expect("a port"), 40_123);
        assert!(port(&mut &b"[1] E: no such interface\n"[..]).is_err());
    }
}
