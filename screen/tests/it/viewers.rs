//! Two viewers of one stream, as the runner serves them: A from its start, B from a keyframe.

use podling_screen::Screen;
use podling_session::size::WindowSize;

use crate::oracle::Case;

/// One thing that happens to a session's terminal.
#[derive(Clone)]
pub(crate) enum Event {
    Output(Vec<u8>),
    Resize(WindowSize),
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Event::Output(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Event::Resize(size) => write!(f, "{}x{}", size.cols(), size.rows()),
        }
    }
}

/// Who is owed a snapshot at the next ground state.
#[derive(Clone, Copy, PartialEq)]
enum Owed {
    Nobody,
    /// Everyone who watches, because of a resize.
    Watching,
}

pub(crate) struct Viewers {
    pub(crate) case: Case,
    screen: Screen,
    /// B has its keyframe, or is owed it.
    joined: bool,
    joining: bool,
    owed: Owed,
    /// Output reaches the emulator and the viewers in pieces of at most so many bytes.
    piece: usize,
}

impl Viewers {
    pub(crate) fn new(size: WindowSize, piece: usize) -> Viewers {
        let (case, screen) = (Case::new(size), Screen::new(size));
        Viewers { case, screen, joined: false, joining: false, owed: Owed::Nobody, piece }
    }

    /// Output that B gets as well, before it falls behind: a snapshot leads from any state of the session to its own.
    pub(crate) fn before_b_falls_behind(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
        self.case.write("AB", bytes);
    }

    /// Plays all events; B joins at the first ground state from the byte `cut` of the output on.
    pub(crate) fn play(&mut self, events: &[Event], cut: usize) {
        let mut before = cut;
        for event in events {
            match event {
                Event::Resize(size) => self.resize(*size),
                Event::Output(bytes) if self.joined || self.joining || bytes.len() < before => {
                    before = before.saturating_sub(bytes.len());
                    self.output(bytes);
                }
                Event::Output(bytes) => {
                    self.output(&bytes[..before]);
                    self.join();
                    self.output(&bytes[before..]);
                }
            }
        }
        if !self.joined && !self.joining {
            self.join();
        }
        if !self.screen.is_ground() {
            self.output(b"\x18");
        }
        self.case.compare_serialized("after the stream");
    }

    /// The same for both, then a look.
    pub(crate) fn then(&mut self, name: &str, bytes: &[u8]) {
        self.output(bytes);
        self.case.compare(name);
    }

    fn resize(&mut self, size: WindowSize) {
        if size == self.screen.size() {
            return;
        }
        // B shows something else until it joins, but its window has the session's size.
        self.case.resize("AB", size);
        self.screen.resize(size);
        self.owed = Owed::Watching;
        self.pay();
    }

    fn join(&mut self) {
        self.joining = true;
        self.pay();
    }

    fn output(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            self.write(piece);
        }
    }

    fn write(&mut self, mut bytes: &[u8]) {
        if self.joining || self.owed == Owed::Watching {
            let taken = self.screen.feed_to_ground(bytes).unwrap_or(bytes.len());
            self.case.write(self.watching(), &bytes[..taken]);
            bytes = &bytes[taken..];
            self.pay();
        }
        if !bytes.is_empty() {
            self.screen.feed(bytes);
            self.case.write(self.watching(), bytes);
        }
    }

    fn watching(&self) -> &'static str {
        if self.joined { "AB" } else { "A" }
    }

    /// Snapshots to those who are owed one, if the parser is in its ground state.
    fn pay(&mut self) {
        if !self.screen.is_ground() {
            return;
        }
        let snapshot = self.screen.snapshot();
        if self.owed == Owed::Watching {
            self.case.keyframe(self.watching(), &snapshot);
            self.owed = Owed::Nobody;
        }
        if self.joining {
            self.case.keyframe("B", &snapshot);
            (self.joined, self.joining) = (true, false);
            self.case.compare_serialized("at the keyframe");
        }
    }
}
