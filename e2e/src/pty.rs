//! A program on a terminal of its own, driven as a person does: reads what it draws, types, resizes, signals.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use memchr::memmem;
use rustix::{
    process::Signal,
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use crate::{podling::binary, process};

/// Everything here takes milliseconds; a machine under load takes more.
const ANSWER: Duration = Duration::from_secs(60);
/// Reads that were not looked at.
const CHUNKS: usize = 1024;

pub struct Pty {
    controller: File,
    /// Held, so that its modes can be looked at when the program has ended.
    user: OwnedFd,
    child: Child,
    chunks: mpsc::Receiver<Vec<u8>>,
    pub output: Vec<u8>,
    looked: usize,
}

impl Pty {
    /// `podling` with these arguments, for this server, in this folder.
    pub fn podling(url: &str, folder: &Path, arguments: &[&str]) -> Pty {
        let pty = rustix_openpty::openpty(None, Some(&size(24, 80))).expect("a terminal");
        let stream = || Stdio::from(pty.user.try_clone().expect("a descriptor"));
        // It replaces itself by the program, whose terminal this is then.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(binary()).args(arguments).env("PODLING_URL", url).env("TERM", "xterm-256color");
        command.current_dir(folder).stdin(stream()).stdout(stream()).stderr(stream()).kill_on_drop(true);
        let child = command.spawn().expect("podling starts");
        let controller = File::from(pty.controller);
        let mut source = controller.try_clone().expect("a descriptor");
        let (sender, chunks) = mpsc::channel(CHUNKS);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Pty { controller, user: pty.user, child, chunks, output: Vec::new(), looked: 0 }
    }

    /// Waits until `text` is drawn, after what was waited for before.
    pub async fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + ANSWER;
        loop {
            if let Some(at) = memmem::find(&self.output[self.looked..], text.as_bytes()) {
                self.looked += at + text.len();
                return;
            }
            match timeout_at(deadline, self.chunks.recv()).await {
                Ok(Some(chunk)) => self.output.extend(chunk),
                ended => panic!("{ended:?}: no {text:?} in {:?}", self.text()),
            }
        }
    }

    pub fn types(&mut self, text: &str) {
        self.controller.write_all(text.as_bytes()).expect("the terminal takes it");
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.controller, size(rows, columns)).expect("a terminal has a size");
    }

    /// Whether keys reach the program one by one and unseen.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.user).expect("a terminal has modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| pid.try_into().ok()).expect("it runs");
        process::signal(pid, signal);
    }

    /// How it ended, and all it has drawn is in `output`.
    pub async fn ended(&mut self) -> ExitStatus {
        let status =
            timeout(ANSWER, self.child.wait()).await.expect("it ends in time").expect("a child can be waited for");
        // What was drawn last is read already, or is within some milliseconds: the terminal is still open.
        while let Ok(Some(chunk)) = timeout(Duration::from_millis(200), self.chunks.recv()).await {
            self.output.extend(chunk);
        }
        status
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
