//! Output that shows by itself whether a byte of it was lost or doubled: numbered lines.

use std::ops::Range;

/// What a session runs: a line every twentieth of a second until it is typed Enter, then how many there were. No
/// process is started for a line, so that hundreds of such sessions fit on a small machine.
pub const COMMAND: &str =
    "stty -echo; i=0; until read -t 0.05; do echo \"line $i\"; i=$((i+1)); done; echo \"end $i\"; exit 7";
/// What ends it, and with which code.
pub const END: &str = "\n";
pub const EXIT_CODE: i64 = 7;

/// Follows the output of [`COMMAND`].
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// How many lines have come.
    pub count: u64,
    /// Whether the command has told the same number.
    pub ended: bool,
    /// Where the numbers jump: a gap when the range goes forward, a repetition when it goes back.
    pub jumps: Vec<Range<u64>>,
    /// What the command never says.
    pub strange: Vec<String>,
}

impl Lines {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = memchr::memchr(b'\n', &self.partial) {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.line(String::from_utf8_lossy(&line).trim_end());
        }
    }

    fn line(&mut self, line: &str) {
        let number = |word: &str| line.strip_prefix(word).and_then(|number| number.parse::<u64>().ok());
        if let Some(number) = number("line ") {
            self.expect(number);
            self.count = number + 1;
        } else if let Some(number) = number("end ") {
            self.expect(number);
            self.ended = true;
        } else {
            self.strange.push(line.to_owned());
        }
    }

    fn expect(&mut self, number: u64) {
        if number != self.count {
            self.jumps.push(self.count..number);
        }
    }

    /// What is wrong with what came so far; none when nothing is.
    pub fn fault(&self) -> Option<String> {
        if let Some(jump) = self.jumps.first() {
            return Some(format!("after line {} came {}", jump.start, jump.end));
        }
        self.strange.first().map(|line| format!("a strange line: {line:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&str]) -> Lines {
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece.as_bytes());
        }
        lines
    }

    #[test]
    fn whole_output_has_no_fault_however_it_is_cut() {
        let lines = fed(&["line 0\r\nli", "ne 1\r", "\nend 2\r\n"]);
        assert!(lines.fault().is_none() && lines.ended && lines.count == 2);
    }

    #[test]
    fn lost_doubled_and_strange_output_is_a_fault() {
        assert_eq!(fed(&["line 0\nline 2\n"]).fault().as_deref(), Some("after line 1 came 2"));
        assert_eq!(fed(&["line 0\nline 0\n"]).fault().as_deref(), Some("after line 1 came 0"));
        assert_eq!(fed(&["line 0\nend 2\n"]).fault().as_deref(), Some("after line 1 came 2"));
        assert!(fed(&["line 0\nlineline 1\n"]).fault().is_some());
    }
}
