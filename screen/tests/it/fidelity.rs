//! A keyframe and the rest of a stream leave a terminal as the whole stream does, on random streams.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use podling_session::size::WindowSize;
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::{
    continuation::CONTINUATION,
    grammar,
    oracle::Oracle,
    viewers::{Event, Viewers},
};

/// Takes about ten seconds on two busy cores. `PODLING_ORACLE_CASES` asks for another number.
const CASES: u32 = 700;

/// The seed of CI, where a change that breaks nothing shall fail nothing. `PODLING_ORACLE_SEED` asks for another.
const SEED: u64 = 4;

#[derive(Clone)]
struct Stream {
    size: WindowSize,
    /// What B sees, too, before it falls behind.
    earlier: Vec<Event>,
    events: Vec<Event>,
    cut: Index,
    piece: usize,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stream { size, earlier, events, piece, .. } = self;
        let cut = self.cut();
        write!(
            f,
            "{}x{} of {events:?}, after {earlier:?} for both, cut at {cut}, in pieces of {piece}",
            size.cols(),
            size.rows()
        )
    }
}

impl Stream {
    /// At which byte of the output B is owed its keyframe.
    fn cut(&self) -> usize {
        let bytes = |event: &Event| if let Event::Output(bytes) = event { bytes.len() } else { 0 };
        self.cut.index(self.events.iter().map(bytes).sum::<usize>() + 1)
    }
}

fn stream() -> impl Strategy<Value = Stream> {
    let events = vec(event(), 1..60);
    let earlier = prop_oneof![2 => Just(Vec::new()), 1 => vec(grammar::token().prop_map(Event::Output), 1..20)];
    let piece = prop_oneof![3 => Just(usize::MAX), 1 => 1usize..8];
    (size(), earlier, events, any::<Index>(), piece).prop_map(|(size, earlier, events, cut, piece)| Stream {
        size,
        earlier,
        events,
        cut,
        piece,
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![40 => grammar::token().prop_map(Event::Output), 1 => size().prop_map(Event::Resize)]
}

/// Small, so that streams reach every margin.
fn size() -> impl Strategy<Value = WindowSize> {
    (5u32..12, 20u32..40).prop_map(|(rows, cols)| WindowSize::new(rows, cols).expect("within range"))
}

fn viewers(stream: &Stream) -> Viewers {
    let mut viewers = Viewers::new(stream.size, stream.piece);
    for event in &stream.earlier {
        if let Event::Output(bytes) = event {
            viewers.before_b_falls_behind(bytes);
        }
    }
    viewers.play(&stream.events, stream.cut());
    for (name, bytes) in CONTINUATION {
        viewers.then(name, bytes);
    }
    viewers
}

#[test]
fn a_keyframe_and_the_rest_of_a_random_stream_equal_the_whole_stream() {
    let (oracle, excluded) = (RefCell::new(Oracle::start()), Cell::new(0));
    let (cases, seed) = (setting("PODLING_ORACLE_CASES", CASES), setting("PODLING_ORACLE_SEED", SEED));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&stream(), |stream| {
        let verdict = oracle.borrow_mut().judge(&viewers(&stream).case);
        excluded.set(excluded.get() + u32::from(verdict.excluded));
        verdict.check().map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("seed {seed}: {error}");
    }
    assert!(excluded.get() <= cases / 10, "{} of {cases} cases were excluded", excluded.get());
}

/// What the grammar leaves out: with a cursor that was never saved every viewer does the same.
#[test]
fn an_erased_scrollback_moves_no_cursor_that_was_never_saved() {
    let text = "text\r\n".repeat(9);
    let stream = [text.as_bytes(), b"\x1b[3J\x1b[H\x1b[2J\x1b[3Jafter\r\n"].concat();
    let mut oracle = Oracle::start();
    for cut in 0..=stream.len() {
        let mut viewers = Viewers::new(WindowSize::new(5, 20).expect("within range"), usize::MAX);
        viewers.play(&[Event::Output(stream.clone())], cut);
        viewers.then("after the never saved cursor", b"\x1b8x");
        oracle.judge(&viewers.case).check().expect("equal");
    }
}

#[expect(clippy::disallowed_methods, reason = "a test takes no arguments")]
fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
