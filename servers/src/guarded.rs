//! A server process that does not outlive the one that started it.

use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, getuid};
use tempfile::TempDir;

use crate::tree;

/// A server that shares two processors with a build is slow to start and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a failure shows of what the server said.
const KEPT_LINES: usize = 200;
/// Nobody: Postgres refuses to run as root.
const NOBODY: u32 = 65_534;

/// A folder of a server's own, that the server may write to.
pub(crate) fn folder(name: &str) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&format!("podling-{name}-")).tempdir().expect("a temporary folder");
    give(folder.path());
    folder
}

/// Writes a file that the server alone may read.
pub(crate) fn write(path: &Path, content: &str) {
    std::fs::write(path, content).expect("room for a small file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    give(path);
}

fn give(path: &Path) {
    if getuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

/// The words that run a program as somebody who is not root.
pub(crate) fn unprivileged(program: &OsStr) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    if getuid().is_root() {
        let nobody = NOBODY.to_string();
        words.extend(["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"].map(OsString::from));
    }
    words.push(program.to_owned());
    words
}

/// What a server says on its standard output and error.
#[derive(Default)]
struct Said {
    lines: VecDeque<String>,
    ready: bool,
    /// Neither the server nor a process that it started is there any more.
    ended: bool,
}

#[derive(Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, from: impl Read, ready: &str) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut said = self.lock();
            said.ready |= line.contains(ready);
            said.lines.push_back(line);
            if said.lines.len() > KEPT_LINES {
                said.lines.pop_front();
            }
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// What was said when `done` was true, or when patience ended.
    fn wait(&self, done: impl Fn(&Said) -> bool) -> MutexGuard<'_, Said> {
        let waiting = self.changed.wait_timeout_while(self.lock(), PATIENCE, |said| !done(said));
        waiting.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A running server.
pub(crate) struct Guarded {
    guard: Child,
    pub(crate) pid: Pid,
    output: Arc<Output>,
}

impl Guarded {
    /// Starts `words` and returns once a line holds `ready`; with what was said when it ended before. The guard, in
    /// case that this process dies, ends the server with `signal` and removes the folder.
    pub(crate) fn start(folder: &Path, signal: &str, words: &[OsString], ready: &str) -> Result<Guarded, String> {
        let mut guard = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "guard.sh"])
            .arg(folder)
            .arg(signal)
            .args(words)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("every machine has a shell");
        let (output, ready) = (Arc::new(Output::default()), ready.to_owned());
        let (reader, errors) = (output.clone(), guard.stderr.take().expect("it is a pipe"));
        thread::spawn(move || reader.read(errors, &ready));
        let mut pid = String::new();
        BufReader::new(guard.stdout.take().expect("it is a pipe")).read_line(&mut pid).expect("the shell writes");
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("the shell says the process id");
        let mut server = Guarded { guard, pid, output };
        if server.output.wait(|said| said.ready || said.ended).ready {
            return Ok(server);
        }
        server.end(Signal::KILL);
        let said = Vec::from_iter(server.output.lock().lines.drain(..));
        Err(said.join("\n"))
    }

    /// Sends the signal and returns when the server and all that it started are gone.
    pub(crate) fn end(&mut self, signal: Signal) {
        tree::signal_all(self.pid, Signal::CONT);
        tree::signal(self.pid, signal);
        if !self.output.wait(|said| said.ended).ended {
            tree::signal_all(self.pid, Signal::KILL);
        }
        let mut keep = self.guard.stdin.take().expect("it is ended once");
        let _ = keep.write_all(b"keep\n"); // A guard that somebody killed needs no word.
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_ends_with_the_process_that_started_it_and_its_folder_with_it() {
        let folder = folder("guarded").keep();
        let words = ["sh", "-c", "echo ready; kill -STOP $$; exec sleep 600"].map(OsString::from);
        let mut server = Guarded::start(&folder, "TERM", &words, "ready").expect("it says so");
        drop(server.guard.stdin.take()); // As the kernel does for a process that is killed.
        assert!(server.output.wait(|said| said.ended).ended);
        server.guard.wait().expect("it is ours");
        assert!(!folder.exists());
    }

    #[test]
    fn a_server_that_does_not_start_says_why() {
        let folder = folder("guarded");
        let words = ["sh", "-c", "echo no room >&2"].map(OsString::from);
        let Err(said) = Guarded::start(folder.path(), "TERM", &words, "ready") else { panic!("it is not ready") };
        assert_eq!(said, "no room");
        assert!(folder.path().exists());
    }
}
