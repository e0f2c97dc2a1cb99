//! What is lost when the connection is cut, ten times at random, while numbered lines flood: every byte is compared.

use std::{collections::BTreeMap, ops::Range};

use rand::RngExt;

use super::Bench;
use crate::viewer::{Drawing, Mode, Step};

/// `seq -w` pads to the seven digits of its last, and the PTY ends each line with two bytes.
const LINE_BYTES: u64 = 9;
const CUTS: usize = 10;

/// What came of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    lost: u64,
    /// The server said so.
    skipped: u64,
}

pub(crate) fn measure(bench: &mut Bench<'_>, modes: &[Mode], count: u64) -> anyhow::Result<()> {
    bench.rounds("reconnect", |bench| {
        for mode in modes {
            let lines = cut(bench, *mode, count)?;
            match mode {
                Mode::Live => {
                    bench.value("lost", lines.lost as f64);
                    bench.value("lost-skipped", lines.skipped as f64);
                }
                Mode::Lossless => bench.value("lost-lossless", (lines.lost + lines.skipped) as f64),
            }
        }
        Ok(())
    })
}

fn cut(bench: &Bench<'_>, mode: Mode, count: u64) -> anyhow::Result<Lines> {
    anyhow::ensure!(count.to_string().len() as u64 + 2 == LINE_BYTES, "{count} has not seven digits");
    let command = format!("stty -echo; printf ready; read x; seq -w 1 {count}; exec sleep 1000");
    let session = bench.server.run(&command, &BTreeMap::new())?;
    let mut viewer = session.attach(mode)?;
    viewer.sees(b"ready")?;
    viewer.type_in(b"\n")?;
    let (begin, bytes) = (viewer.offset, count * LINE_BYTES);
    let mut cuts: Vec<_> = (0..CUTS).map(|_| begin + rand::rng().random_range(1..bytes)).collect();
    cuts.sort_unstable();
    cuts.push(begin + bytes);
    let mut lines = Lines::default();
    for until in cuts {
        // A viewer that is past its cut already still reads its first frame: the token to come back with.
        while viewer.offset < until || viewer.resume_token().is_err() {
            let step = viewer.step(|drawing| lines.compare(drawing, begin))?;
            anyhow::ensure!(!matches!(step, Step::Closed(_)), "the stream was closed at {}", viewer.offset);
        }
        if viewer.offset < begin + bytes {
            viewer = session.resume(&viewer.resume_token()?, mode, viewer.offset)?;
        }
    }
    drop(viewer);
    session.end();
    Ok(lines)
}

impl Lines {
    /// The viewer has made sure that each piece follows the one before.
    fn compare(&mut self, drawing: &Drawing<'_>, begin: u64) {
        match drawing {
            Drawing::Output { offset, bytes } => {
                let at = offset - begin;
                let expected = numbers(at..at + bytes.len() as u64);
                self.lost += touched(&expected, bytes);
            }
            Drawing::Skipped(range) => self.skipped += (range.end - range.start).div_ceil(LINE_BYTES),
            Drawing::Snapshot { .. } => {}
        }
    }
}

/// The output of `seq -w`, as the PTY sends it.
fn numbers(range: Range<u64>) -> Vec<u8> {
    let lines = range.start / LINE_BYTES..range.end.div_ceil(LINE_BYTES);
    let text: String = lines.map(|line| format!("{:07}\r\n", line + 1)).collect();
    let skip = usize::try_from(range.start % LINE_BYTES).expect("less than a line");
    let length = usize::try_from(range.end - range.start).expect("one message");
    text.as_bytes()[skip..skip + length].to_vec()
}

/// How many lines' worth of bytes differ.
fn touched(expected: &[u8], bytes: &[u8]) -> u64 {
    let line = usize::try_from(LINE_BYTES).expect("a small number");
    expected.chunks(line).zip(bytes.chunks(line)).filter(|(expected, bytes)| expected != bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_offset() {
        assert_eq!(numbers(0..18), b"0000001\r\n0000002\r\n");
        assert_eq!(numbers(7..11), b"\r\n00");
    }

    #[test]
    fn a_wrong_byte_is_a_lost_line_and_a_skipped_range_is_not() {
        let mut lines = Lines::default();
        lines.compare(&Drawing::Output { offset: 5, bytes: b"0000001\r\n0000003\r\n" }, 5);
        lines.compare(&Drawing::Skipped(23..41), 5);
        lines.compare(&Drawing::Output { offset: 41, bytes: b"0000005\r\n" }, 5);
        assert_eq!(lines, Lines { lost: 1, skipped: 2 });
    }
}
