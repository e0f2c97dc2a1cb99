//! What becomes of the output here: drawn on a terminal, passed on as it is, or told line by line as JSON. A thread of its
//! own writes it, so that a terminal that takes nothing stops neither keys nor signals.

use std::{
    io::{self, Write},
    thread::{self, JoinHandle},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::{modes::Modes, queries::QueryStripper};

/// Beside what the credit lets come: frames, small as they may be.
const PIECES: usize = 64;

/// How output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// On a terminal: without the queries, which the runner answers.
    Terminal,
    /// Byte for byte.
    Plain,
    /// An object a line.
    Json,
}

/// What is shown, in order.
#[derive(Debug)]
pub(super) enum Piece {
    /// Output, and the offset after it.
    Output { bytes: Bytes, end: u64 },
    /// The whole screen at an offset.
    Screen { bytes: Bytes, end: u64 },
    /// A sentence beside the output.
    Note(String),
    /// Something that only programs want to know.
    Event(Value),
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Everything below was shown.
    pub(super) offset: u64,
    /// Nobody takes output any more.
    pub(super) failed: bool,
}

pub(super) struct Writer {
    pub(super) pieces: mpsc::Sender<Piece>,
    pub(super) written: watch::Receiver<Written>,
    done: oneshot::Receiver<()>,
    _thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(style: Style) -> io::Result<Writer> {
        let (pieces, receiver) = mpsc::channel(PIECES);
        let (written, watched) = watch::channel(Written::default());
        let (ended, done) = oneshot::channel();
        let write = move || {
            write_all(style, receiver, &written);
            let _ = ended.send(()); // Or nobody waits any more.
        };
        let thread = thread::Builder::new().name("stdout".to_owned()).spawn(write)?;
        Ok(Writer { pieces, written: watched, done, _thread: thread })
    }

    /// No more comes: waits until all is shown and the terminal is as it was.
    pub(super) async fn finish(self) {
        drop(self.pieces);
        let _ = self.done.await; // The thread ends in any case.
    }
}

fn write_all(style: Style, mut pieces: mpsc::Receiver<Piece>, written: &watch::Sender<Written>) {
    let (mut out, mut view) = (io::stdout().lock(), View::new(style));
    while let Some(piece) = pieces.blocking_recv() {
        let end = piece.end();
        let done = out.write_all(&view.render(piece)).and_then(|()| out.flush());
        written.send_modify(|written| {
            written.offset = end.unwrap_or(written.offset);
            written.failed = done.is_err();
        });
        if done.is_err() {
            return;
        }
    }
    let _ = out.write_all(&view.leave()).and_then(|()| out.flush()); // Nothing else follows.
}

impl Piece {
    fn end(&self) -> Option<u64> {
        match self {
            Piece::Output { end, .. } | Piece::Screen { end, .. } => Some(*end),
            Piece::Note(_) | Piece::Event(_) => None,
        }
    }
}

/// What a style makes of pieces.
enum View {
    Terminal { queries: QueryStripper, modes: Modes },
    Plain,
    Json,
}

impl View {
    fn new(style: Style) -> View {
        match style {
            Style::Terminal => View::Terminal { queries: QueryStripper::default(), modes: Modes::default() },
            Style::Plain => View::Plain,
            Style::Json => View::Json,
        }
    }

    fn render(&mut self, piece: Piece) -> Vec<u8> {
        match (self, piece) {
            (View::Terminal { queries, modes }, Piece::Output { bytes, .. } | Piece::Screen { bytes, .. }) => {
                let drawn = queries.push(&bytes);
                modes.see(&drawn);
                drawn
            }
            (View::Terminal { .. }, Piece::Note(text)) => format!("\r\n[podling] {text}\r\n").into_bytes(),
            (View::Plain, Piece::Output { bytes, .. } | Piece::Screen { bytes, .. }) => bytes.into(),
            (View::Plain, Piece::Note(text)) => {
                eprintln!("[podling] {text}");
                Vec::new()
            }
            (View::Json, piece) => line(&told(piece)),
            (View::Terminal { .. } | View::Plain, Piece::Event(_)) => Vec::new(),
        }
    }

    fn leave(&self) -> Vec<u8> {
        match self {
            View::Terminal { modes, .. } => modes.undo(),
            View::Plain | View::Json => Vec::new(),
        }
    }
}

fn told(piece: Piece) -> Value {
    match piece {
        Piece::Output { bytes, end } => output("output", &bytes, end),
        Piece::Screen { bytes, end } => output("screen", &bytes, end),
        Piece::Note(text) => json!({ "type": "note", "text": text }),
        Piece::Event(event) => event,
    }
}

/// `text` where it is text, else `base64`; `offset` is that of its first byte, or that of the screen.
pub(crate) fn output(kind: &str, bytes: &[u8], end: u64) -> Value {
    let offset = if kind == "screen" { end } else { end - bytes.len() as u64 };
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "type": kind, "offset": offset, "text": text }),
        Err(_) => json!({ "type": kind, "offset": offset, "base64": STANDARD.encode(bytes) }),
    }
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(style: Style, pieces: Vec<Piece>) -> String {
        let mut view = View::new(style);
        let mut shown: Vec<u8> = pieces.into_iter().flat_map(|piece| view.render(piece)).collect();
        shown.extend(view.leave());
        String::from_utf8(shown).expect("text")
    }

    fn piece(text: &'static str, end: u64) -> Piece {
        Piece::Output { bytes: Bytes::from_static(text.as_bytes()), end }
    }

    #[test]
    fn a_terminal_is_asked_nothing_and_left_as_it_was() {
        let shown = render(Style::Terminal, vec![piece("a\x1b[", 3), piece("6nb\x1b[?25l", 12)]);
        assert_eq!(shown, "ab\x1b[?25l\x1b[?25h\x1b[0m\x1b(B\x0f");
    }

    #[test]
    fn a_pipe_gets_every_byte_and_nothing_else() {
        assert_eq!(render(Style::Plain, vec![piece("a\x1b[6nb", 6), Piece::Event(Value::Null)]), "a\x1b[6nb");
    }

    #[test]
    fn a_program_gets_an_object_a_line() {
        let odd = Piece::Output { bytes: Bytes::from_static(b"\xff"), end: 4 };
        let shown = render(Style::Json, vec![piece("abc", 3), odd, Piece::Note("n".into())]);
        let lines: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines[0], json!({ "type": "output", "offset": 0, "text": "abc" }));
        assert_eq!(lines[1], json!({ "type": "output", "offset": 3, "base64": "/w==" }));
        assert_eq!(lines[2]["text"], "n");
    }
}
