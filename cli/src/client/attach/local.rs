//! This side's events: what is typed, the window's size, and signals.

use std::{
    io::{self, IsTerminal, Read},
    thread,
};

use bytes::Bytes;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

/// In one read.
const CHUNK: usize = 4096;
/// Reads that wait to be sent: some, so that typing is not a step at a time.
const READS: usize = 8;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Typed(Bytes),
    /// Standard input has ended.
    End,
    Resized,
    /// Ctrl-C where the terminal is not ours to read.
    Interrupted,
    /// A signal that ends us.
    Killed(i32),
}

pub(super) struct Local {
    typed: mpsc::Receiver<Bytes>,
    ended: bool,
    resized: Signal,
    interrupted: Signal,
    terminated: Signal,
    hung_up: Signal,
    quit: Signal,
}

impl Local {
    /// Reads standard input from now on, unless it is not for the program.
    pub(super) fn listen(reads: bool) -> io::Result<Local> {
        let (sender, typed) = mpsc::channel(READS);
        if reads {
            // Reads block, and only the end of the process ends one: no runtime may wait for this thread.
            thread::Builder::new().name("stdin".to_owned()).spawn(move || read(&sender))?;
        }
        Ok(Local {
            typed,
            ended: !reads,
            resized: signal(SignalKind::window_change())?,
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// What happens next; `types` is whether there is room for what is typed. Cancel-safe.
    pub(super) async fn next(&mut self, types: bool) -> Event {
        tokio::select! {
            biased;
            _ = self.terminated.recv() => Event::Killed(libc_signal(SignalKind::terminate())),
            _ = self.hung_up.recv() => Event::Killed(libc_signal(SignalKind::hangup())),
            _ = self.quit.recv() => Event::Killed(libc_signal(SignalKind::quit())),
            _ = self.interrupted.recv() => Event::Interrupted,
            _ = self.resized.recv() => Event::Resized,
            typed = self.typed.recv(), if types && !self.ended => match typed {
                Some(bytes) => Event::Typed(bytes),
                None => {
                    self.ended = true;
                    Event::End
                }
            },
        }
    }
}

fn libc_signal(kind: SignalKind) -> i32 {
    kind.as_raw_value()
}

fn read(typed: &mpsc::Sender<Bytes>) {
    let mut stdin = io::stdin().lock();
    let mut chunk = [0; CHUNK];
    loop {
        match stdin.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => {
                if typed.blocking_send(Bytes::copy_from_slice(&chunk[..count])).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Whether a person types here and looks here.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}
