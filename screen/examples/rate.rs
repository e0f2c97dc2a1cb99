//! How fast the emulator follows: `cargo run --release -p podling-screen --example rate`.
//!
//! Three streams, each in pieces of 64 KiB as a PTY's reader hands them on: a text file of long lines, `seq`, and a full
//! screen program that colours and positions everything. Megabytes per second of processor time, so that other load on the
//! machine changes them little.
#![expect(clippy::print_stdout, reason = "the figures are what the program is for")]

use podling_screen::Screen;
use podling_session::size::WindowSize;
use std::fmt::Write;

const PIECE_BYTES: usize = 64 * 1024;
const STREAM_BYTES: usize = 64_000_000;

fn main() {
    for (name, stream) in [("text", text()), ("seq", numbers()), ("tui", full_screen())] {
        let mut rates: Vec<f64> = (0..5).map(|_| megabytes_per_second(&stream)).collect();
        rates.sort_by(f64::total_cmp);
        println!("{name:>5} {:8.0} MB/s", rates[rates.len() / 2]);
    }
}

fn megabytes_per_second(stream: &[u8]) -> f64 {
    let mut screen = Screen::new(WindowSize::DEFAULT);
    let start = nanoseconds_run();
    stream.chunks(PIECE_BYTES).for_each(|piece| screen.feed(piece));
    let nanoseconds = nanoseconds_run() - start;
    assert!(!screen.text().is_empty());
    stream.len() as f64 * 1e3 / nanoseconds
}

/// The processor time of this thread so far: the first field of proc(5)'s schedstat.
fn nanoseconds_run() -> f64 {
    // The kernel accounts for the running slice when the thread gives way.
    std::thread::yield_now();
    let fields = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts processor time");
    fields.split(' ').next().and_then(|field| field.parse().ok()).expect("a number")
}

fn text() -> Vec<u8> {
    let line = "The quick brown fox jumps over the lazy dog, and the dog does not mind.\r\n";
    line.bytes().cycle().take(STREAM_BYTES).collect()
}

fn numbers() -> Vec<u8> {
    let mut stream = String::new();
    for n in 1.. {
        if stream.len() >= STREAM_BYTES {
            break;
        }
        let _ = write!(stream, "{n}\r\n");
    }
    stream.into_bytes()
}

fn full_screen() -> Vec<u8> {
    let mut stream = String::new();
    let mut frame: usize = 0;
    while stream.len() < STREAM_BYTES {
        let _ = write!(stream, "\x1b[?2026h\x1b[H");
        for row in 1..=24 {
            let _ = write!(stream, "\x1b[{row};1H\x1b[38;5;{}m│\x1b[0m ", (frame + row) % 256);
            for column in 0..8 {
                let value = frame.wrapping_mul(31).wrapping_add(row * 7 + column) % 1000;
                let _ = write!(stream, "\x1b[{};{}m{value:>4}\x1b[0m cpu ", 1 + column % 2, 30 + column);
            }
            let _ = write!(stream, "\x1b[K");
        }
        let _ = write!(stream, "\x1b[?2026l");
        frame += 1;
    }
    stream.into_bytes()
}
