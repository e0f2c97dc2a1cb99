//! What the bulk measures print: made of a seed or recorded, so that every run and both sides print the same.

use std::collections::BTreeMap;

/// A session's variable holds 32 KiB at most; two of them are one block.
const PART_BYTES: usize = 30 << 10;

/// Something to print, the same on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// Makes the file, or nothing.
    prepare: String,
    /// Prints it all.
    print: String,
    pub(crate) env: BTreeMap<String, String>,
    /// What comes out of the PTY, whose line discipline writes `\r\n` for each `\n`.
    pub(crate) bytes: u64,
}

impl Load {
    /// A file of text, lines of 1 to 110 characters.
    pub(crate) fn text(file_bytes: u64) -> Load {
        Load::file("text", &text(), file_bytes)
    }

    /// Full screens as htop and less draw them: colours, cursor addressing, scroll regions, the other buffer.
    pub(crate) fn tui(file_bytes: u64) -> Load {
        Load::file("tui", &tui(), file_bytes)
    }

    pub(crate) fn seq(lines: u64) -> Load {
        let print = format!("seq 1 {lines}");
        Load { name: "seq", prepare: ":".into(), print, env: BTreeMap::new(), bytes: digits(lines) + 2 * lines }
    }

    /// A file that repeats a block.
    fn file(name: &'static str, block: &str, file_bytes: u64) -> Load {
        let (first, second) = block.split_at(PART_BYTES);
        let env = [("BLOCK_A", first), ("BLOCK_B", second)].map(|(name, part)| (name.into(), part.to_owned()));
        let repeated = format!("{block}\n");
        let (whole, part) = (file_bytes / repeated.len() as u64, file_bytes % repeated.len() as u64);
        let part = usize::try_from(part).expect("less than a block");
        let newlines = whole * newlines(repeated.as_bytes()) + newlines(&repeated.as_bytes()[..part]);
        Load {
            name,
            prepare: format!("yes \"$BLOCK_A$BLOCK_B\" | head -c {file_bytes} > bulk"),
            print: "cat bulk".into(),
            env: env.into(),
            bytes: file_bytes + newlines,
        }
    }

    /// Makes the file, says `ready`, and prints once a line was typed.
    pub(crate) fn command(&self) -> String {
        format!("{}; stty -echo; printf ready; read x; {}", self.prepare, self.print)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Of the numbers from 1 to `last`, written one after the other.
fn digits(last: u64) -> u64 {
    let (mut total, mut first, mut width) = (0, 1, 1);
    while first <= last {
        total += (last.min(first * 10 - 1) - first + 1) * width;
        (first, width) = (first * 10, width + 1);
    }
    total
}

/// Numbers that look random: the minimal standard generator of Park and Miller.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> usize {
        self.0 = self.0 * 48_271 % 0x7fff_ffff;
        usize::try_from(self.0 % end).expect("a small number")
    }
}

const WORDS: [&str; 12] =
    ["session", "of", "the", "terminal", "a", "log", "Ελληνικά", "bytes", "in", "order", "naïve", "0x7fff5fbff8c0"];

fn text() -> String {
    let (mut dice, mut block) = (Dice(7), String::new());
    while block.len() < 2 * PART_BYTES - 200 {
        for _ in 0..=dice.below(14) {
            block.push_str(WORDS[dice.below(12)]);
            block.push(' ');
        }
        block.push('\n');
    }
    padded(block)
}

/// What htop and less wrote to a terminal, over and over.
fn tui() -> String {
    let recorded = [
        &include_bytes!("../../screen/tests/streams/htop.bin")[..],
        include_bytes!("../../screen/tests/streams/less.bin"),
    ]
    .map(|bytes| std::str::from_utf8(bytes).expect("what was recorded is text"));
    let once = recorded.concat();
    // The seam between the parts may need a few bytes.
    padded(once.repeat((2 * PART_BYTES - 4) / once.len()))
}

/// To the end of the second part, so that a block has one length; spaces draw nothing that a next frame leaves.
fn padded(mut block: String) -> String {
    // The seam must not cut a character in two.
    while !block.is_char_boundary(PART_BYTES) {
        block.insert(0, ' ');
    }
    while block.len() < 2 * PART_BYTES {
        block.push(' ');
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_as_they_are_written() {
        for last in [0, 1, 9, 10, 99, 100, 1_234] {
            let written: usize = (1..=last).map(|number: u64| number.to_string().len()).sum();
            assert_eq!(digits(last), written as u64, "{last}");
        }
    }

    #[test]
    fn a_file_has_the_newlines_of_its_blocks() {
        let load = Load::file("text", &text(), 200_000);
        let whole = format!("{}\n", text()).repeat(4);
        assert_eq!(load.bytes, 200_000 + newlines(&whole.as_bytes()[..200_000]));
        assert!(load.env.values().all(|part| part.len() == PART_BYTES));
    }

    #[test]
    fn a_recorded_block_is_nearly_all_recording_and_asks_the_terminal_nothing() {
        let block = tui();
        assert!(block.len() - block.trim_matches(' ').len() < 1_000);
        // An answer would be typed into whatever runs.
        for question in ["\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[5n", "\x1b[6n", "\x1bP"] {
            assert!(!block.contains(question), "{question:?}");
        }
    }
}
