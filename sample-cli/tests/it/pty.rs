//! The program on a PTY that is its controlling terminal, as in a session.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// Everything here takes milliseconds; a machine under load takes more.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Terminal {
    controller: File,
    user: OwnedFd,
    child: Child,
    chunks: Receiver<Vec<u8>>,
    reader: Option<JoinHandle<()>>,
    output: Vec<u8>,
}

impl Terminal {
    /// `setsid --ctty` replaces itself by the program, so the child's id is the program's.
    pub(crate) fn start(rows: u16, columns: u16, args: &[&str], env: &[(&str, &str)]) -> Terminal {
        let pty = rustix_openpty::openpty(None, Some(&size(rows, columns))).expect("a PTY");
        let stream = || Stdio::from(pty.user.try_clone().expect("a descriptor"));
        let mut command = Command::new("/usr/bin/setsid");
        command
            .arg("--ctty")
            .arg(env!("CARGO_BIN_EXE_sample-cli"))
            .args(args)
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("PATH", "/nonexistent"); // There may be a `claude` on this machine's.
        command.envs(env.iter().copied()).stdin(stream()).stdout(stream()).stderr(stream());
        let child = command.spawn().expect("started");
        drop(command); // It holds the terminal open.
        let controller = File::from(pty.controller);
        let mut source = controller.try_clone().expect("a descriptor");
        let (sender, chunks) = sync_channel(64);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { controller, user: pty.user, child, chunks, reader: Some(reader), output: vec![] }
    }

    /// Waits until the output holds `text` after the first `from` bytes, and returns where it ends.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str, from: usize) -> usize {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(place) = self.output[from..].windows(text.len()).position(|bytes| bytes == text.as_bytes()) {
                return from + place + text.len();
            }
            match self.chunks.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(chunk) => self.output.extend(chunk),
                Err(error) => panic!("{error}: no {text:?} in {:?}", self.text()),
            }
        }
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.controller.write_all(text.as_bytes()).expect("typed");
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.controller, size(rows, columns)).expect("resized");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(self.user.as_fd()).expect("a terminal").local_modes.contains(LocalModes::ECHO)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Waits for the program's end, then takes what is left of its output.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, bool) {
        let end = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                break status;
            }
            // What it still says must be read, or it could not end.
            match self.chunks.recv_timeout(Duration::from_millis(20)) {
                Ok(chunk) => self.output.extend(chunk),
                Err(RecvTimeoutError::Timeout) => assert!(Instant::now() < end, "still running: {:?}", self.text()),
                Err(RecvTimeoutError::Disconnected) => panic!("the terminal closed early"),
            }
        };
        let echoes = self.echoes();
        drop(self.user); // The last holder of this side: now the reader sees the end.
        while let Ok(chunk) = self.chunks.recv_timeout(DEADLINE) {
            self.output.extend(chunk);
        }
        self.reader.take().expect("there until now").join().expect("the reader ends");
        (status, String::from_utf8_lossy(&self.output).into_owned(), echoes)
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
