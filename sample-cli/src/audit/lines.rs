//! Lines out of bytes that come in pieces.

/// A line of somebody who means no good, or a stream that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of the answer is longer than {LIMIT} bytes")]
pub(crate) struct TooLong;

/// Claude Code repeats whole files in one line.
const LIMIT: usize = 16 << 20;

/// Collects bytes until a line is complete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// Before this there is no end of a line.
    searched: usize,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > LIMIT {
            return Err(TooLong);
        }
        self.bytes.extend(bytes);
        Ok(())
    }

    /// The next complete line without its end, LF or CR LF. What is no UTF-8 is replaced.
    pub(super) fn next(&mut self) -> Option<String> {
        let Some(place) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let line: Vec<u8> = self.bytes.drain(..=self.searched + place).collect();
        self.searched = 0;
        Some(text(&line))
    }

    /// The line that the stream ended in.
    pub(super) fn rest(self) -> Option<String> {
        Some(text(&self.bytes)).filter(|line| !line.is_empty())
    }
}

fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_wherever_the_bytes_were_cut() {
        let all = "first\r\n\nä\nlast".as_bytes();
        for size in 1..=all.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in all.chunks(size) {
                lines.push(piece).expect("short");
                found.extend(std::iter::from_fn(|| lines.next()));
            }
            found.extend(lines.rest());
            assert_eq!(found, ["first", "", "ä", "last"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let (mut lines, piece) = (Lines::default(), vec![b'x'; 1 << 20]);
        let taken = (0..100).take_while(|_| lines.push(&piece).is_ok()).count();
        assert_eq!((taken, lines.next()), (16, None));
    }
}
