//! A keyframe at any byte of what real programs wrote, and the rest, equal the whole.
//!
//! `tests/streams/NAME.bin` is the output, `NAME.json` the window's size and at which bytes it changed.
//! `record.py` beside them made them.

use std::{fs, path::Path};

use podling_session::size::WindowSize;
use serde::Deserialize;

use crate::{
    continuation::CONTINUATION,
    oracle::Oracle,
    viewers::{Event, Viewers},
};

/// Keyframes per recording, evenly spread.
const CUTS: usize = 25;

#[derive(Deserialize)]
struct Window {
    cols: u32,
    rows: u32,
    /// Offset in bytes, columns, rows; in order.
    resizes: Vec<(usize, u32, u32)>,
}

fn size(cols: u32, rows: u32) -> WindowSize {
    WindowSize::new(rows, cols).expect("recorded in a size that a window can have")
}

/// The size at the start, what happened, and how many bytes were written.
fn recording(name: &str) -> (WindowSize, Vec<Event>, usize) {
    let folder = Path::new("tests/streams");
    let bytes = fs::read(folder.join(format!("{name}.bin"))).expect("the recording is there");
    let window = fs::read(folder.join(format!("{name}.json"))).expect("its window is there");
    let window: Window = serde_json::from_slice(&window).expect("its window has its shape");
    let (mut events, mut from) = (Vec::new(), 0);
    for (offset, cols, rows) in window.resizes {
        events.push(Event::Output(bytes[from..offset].to_vec()));
        events.push(Event::Resize(size(cols, rows)));
        from = offset;
    }
    events.push(Event::Output(bytes[from..].to_vec()));
    (size(window.cols, window.rows), events, bytes.len())
}

fn check(name: &str) {
    let (size, events, length) = recording(name);
    let mut oracle = Oracle::start();
    for part in 0..CUTS {
        let cut = length * part / CUTS;
        // A read of a PTY gives at most 4 KiB.
        let mut viewers = Viewers::new(size, 4096);
        viewers.play(&events, cut);
        for (name, bytes) in CONTINUATION {
            viewers.then(name, bytes);
        }
        if let Err(difference) = oracle.judge(&viewers.case).check() {
            panic!("{name}, a keyframe at {cut} of {length}: {difference}");
        }
    }
}

#[test]
fn a_keyframe_in_vim_equals_the_whole_stream() {
    check("vim");
}

#[test]
fn a_keyframe_in_htop_equals_the_whole_stream() {
    check("htop");
}

#[test]
fn a_keyframe_in_less_equals_the_whole_stream() {
    check("less");
}

#[test]
fn a_keyframe_in_tmux_equals_the_whole_stream() {
    check("tmux");
}

#[test]
fn a_keyframe_in_a_spinner_equals_the_whole_stream() {
    check("spinner");
}

#[test]
fn a_keyframe_in_a_progress_bar_equals_the_whole_stream() {
    check("progress");
}

#[test]
fn a_keyframe_in_the_sample_agent_equals_the_whole_stream() {
    check("sample-cli");
}

#[test]
fn a_keyframe_in_claude_code_equals_the_whole_stream() {
    check("claude");
}
